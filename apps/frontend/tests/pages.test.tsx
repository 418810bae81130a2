import { render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { usePathname } from "next/navigation";
import NotFound from "@/app/not-found";
import HomePage from "@/app/page";
import RoadPage from "@/app/road/page";
import UsersPage from "@/app/users/page";
import { Header } from "@/components/Header";
import { RegisterServiceWorker } from "@/components/RegisterServiceWorker";
import { STATIONS } from "@/lib/road";
import { health, stubNetwork } from "./stubs";

jest.mock("next/navigation", () => ({ usePathname: jest.fn() }));

const at = (path: string | null) => jest.mocked(usePathname).mockReturnValue(path as string);

beforeEach(() => {
  at("/");
  window.matchMedia = (query: string) => ({ matches: false, media: query }) as MediaQueryList;
  stubNetwork({
    "GET /api/health": { json: health() },
    "GET /api/health/ready": { json: { status: "ready", checks: [] } },
    "GET /api/users": { json: { items: [] } },
  });
});

test.each([
  ["/", "Dashboard"],
  ["/users", "Users"],
  ["/users/", "Users"],
  ["/road/", "The road"],
])("at %s the navigation marks %s", (path, label) => {
  at(path);
  render(<Header />);
  const marked = screen.getAllByRole("link", { current: "page" });
  expect(marked.map((link) => link.textContent)).toEqual([label]);
});

test("an unknown path is taken for the first page only when there is none", () => {
  at(null);
  render(<Header />);
  expect(screen.getByRole("link", { current: "page" })).toHaveTextContent("Dashboard");
});

test("the colours can be switched and switched back", async () => {
  render(<Header />);
  const user = userEvent.setup();
  await user.click(screen.getByRole("button", { name: "Use dark colours" }));
  expect(document.documentElement.dataset.theme).toBe("dark");
  await user.click(screen.getByRole("button", { name: "Use light colours" }));
  expect(document.documentElement.dataset.theme).toBe("light");
});

test("the dashboard leads to every station of the road", async () => {
  render(<HomePage />);
  const strip = within(screen.getByRole("navigation", { name: "Stations of the road" }));
  const links = strip.getAllByRole<HTMLAnchorElement>("link");
  expect(links.map(({ hash }) => hash)).toEqual(STATIONS.map(({ id }) => `#${id}`));
  expect(links.every(({ pathname }) => /^\/road\/?$/.test(pathname))).toBe(true);
  await screen.findByText("healthy");
});

test("the road has every station, the steps of the canary and what stops it", () => {
  const { container } = render(<RoadPage />);
  for (const { id, name } of STATIONS) {
    const station = container.querySelector<HTMLElement>(`#${id}`);
    expect(within(station as HTMLElement).getByRole("heading", { name })).toBeInTheDocument();
  }
  const canary = screen.getByRole("list", { name: "Share of the new version, step by step" });
  expect(canary).toHaveTextContent(/^10\s%25\s%50\s%100\s%$/);
  expect(screen.getByRole("complementary", { name: "What stops it" })).toBeInTheDocument();
});

test("the users page shows the users", async () => {
  render(<UsersPage />);
  expect(await screen.findByText(/Nobody is here yet/)).toBeInTheDocument();
});

test("a lost reader finds the way back", () => {
  render(<NotFound />);
  expect(screen.getByRole("link", { name: "To the dashboard" })).toHaveAttribute("href", "/");
});

describe("the service worker", () => {
  const register = jest.fn();

  beforeEach(() => {
    register.mockReset().mockRejectedValue(new DOMException("", "SecurityError"));
    Object.defineProperty(navigator, "serviceWorker", { value: { register }, configurable: true });
  });

  test("is registered in production, and a refusal harms nothing", () => {
    const restore = jest.replaceProperty(process, "env", {
      ...process.env,
      NODE_ENV: "production",
    });
    render(<RegisterServiceWorker />);
    expect(register).toHaveBeenCalledWith("/sw.js");
    restore.restore();
  });

  test("stays away during development", () => {
    render(<RegisterServiceWorker />);
    expect(register).not.toHaveBeenCalled();
  });
});
