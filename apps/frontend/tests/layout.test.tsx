/** @jest-environment node */
import { renderToStaticMarkup } from "react-dom/server";
import RootLayout from "@/app/layout";

jest.mock("next/navigation", () => ({ usePathname: () => "/" }));

test("every page stands in a frame with landmarks, a skip link and the front end's version", () => {
  const page = renderToStaticMarkup(<RootLayout>content</RootLayout>);
  expect(page).toContain('<html lang="en"');
  expect(page).toMatch(/<a [^>]*href="#main"/);
  expect(page).toMatch(/<main id="main"[^>]*>content<\/main>/);
  expect(page).toMatch(/<footer.*<code title="unversioned">unversioned<\/code>/);
});

test("the colours are chosen before the first paint", () => {
  const page = renderToStaticMarkup(<RootLayout>content</RootLayout>);
  expect(page.indexOf("localStorage")).toBeLessThan(page.indexOf("<body"));
});
