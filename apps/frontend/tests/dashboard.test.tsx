import { act, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { Dashboard } from "@/components/Dashboard";
import { READINESS_INTERVAL_MS } from "@/hooks/useReadiness";
import { BURST, INTERVAL_MS } from "@/hooks/useTraffic";
import { health, stubNetwork, type Route } from "./stubs";

const READY = {
  json: { status: "ready", checks: [{ name: "user_store_has_room", status: "pass" }] },
};

function network(routes: Record<string, Route> = {}) {
  return stubNetwork({
    "GET /api/health": { json: health() },
    "GET /api/health/ready": READY,
    ...routes,
  });
}

const legend = () => screen.getByRole("list", { name: /Share of the last/ });
const panel = (name: string) => screen.getByRole("region", { name });
const asksForHealth = (asked: { path: string }[]) =>
  asked.filter(({ path }) => path === "/api/health").length;

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

const user = () => userEvent.setup({ advanceTimers: jest.advanceTimersByTime });
const pass = (milliseconds: number) => act(() => jest.advanceTimersByTimeAsync(milliseconds));

test("shows which release, stage and task answered", async () => {
  network({ "GET /api/health": { json: health({ version: "4c1f0de29ab7c0ff" }) } });
  render(<Dashboard />);
  const release = within(panel("Release"));
  expect(release.getByText("asking")).toBeInTheDocument();
  expect(await release.findByText("healthy")).toBeInTheDocument();
  for (const shown of ["Aurora", "4c1f0de", "dev", "0a1b2c3d"]) {
    expect(release.getByText(shown)).toBeInTheDocument();
  }
});

test("a canary shows as a share of the answers", async () => {
  let count = 0;
  network({
    "GET /api/health": () => ({ json: health({ version: count++ % 4 === 3 ? "new" : "old" }) }),
  });
  render(<Dashboard />);
  await pass(0);
  await pass(3 * INTERVAL_MS);
  expect(legend()).toHaveTextContent(/old75\s%3new25\s%1/);
});

test("a failed request is counted as no answer", async () => {
  network({ "GET /api/health": new TypeError("Failed to fetch") });
  render(<Dashboard />);
  await pass(0);
  expect(legend()).toHaveTextContent(/no answer100\s%/);
  expect(within(panel("Release")).getByText("no answer")).toBeInTheDocument();
});

test("an unhealthy status is shown in the API's own word", async () => {
  network({ "GET /api/health": { json: health({ status: "draining" }) } });
  render(<Dashboard />);
  expect(await within(panel("Release")).findByText("draining")).toBeInTheDocument();
});

test("pausing stops the questions and resuming starts them again", async () => {
  const asked = network();
  render(<Dashboard />);
  await pass(0);
  await user().click(screen.getByRole("button", { name: "Pause" }));
  const before = asksForHealth(asked);
  await pass(5 * INTERVAL_MS);
  expect(asksForHealth(asked)).toBe(before);
  await user().click(screen.getByRole("button", { name: "Resume" }));
  await pass(0);
  expect(asksForHealth(asked)).toBe(before + 1);
});

test("a hidden page asks nothing", async () => {
  const hidden = jest.spyOn(document, "hidden", "get").mockReturnValue(true);
  const asked = network();
  render(<Dashboard />);
  await pass(3 * INTERVAL_MS);
  expect(asksForHealth(asked)).toBe(0);
  hidden.mockRestore();
});

test("a burst asks many times at once", async () => {
  const asked = network();
  render(<Dashboard />);
  await user().click(screen.getByRole("button", { name: "Pause" }));
  const before = asksForHealth(asked);
  await user().click(screen.getByRole("button", { name: `Send ${BURST}` }));
  await waitFor(() => expect(screen.getByRole("button", { name: `Send ${BURST}` })).toBeEnabled());
  expect(asksForHealth(asked)).toBe(before + BURST);
});

test("nothing is asked after the reader has left", async () => {
  const asked = network();
  const { unmount } = render(<Dashboard />);
  await pass(0);
  unmount();
  const before = asked.length;
  await pass(2 * READINESS_INTERVAL_MS);
  expect(asked).toHaveLength(before);
});

test("an open gate lists its checks", async () => {
  network();
  render(<Dashboard />);
  const gate = within(panel("Release gate"));
  expect(await gate.findByText("open")).toBeInTheDocument();
  expect(gate.getByRole("listitem")).toHaveTextContent("user store has room: passed");
});

test("a gate that closes says why, and is asked again", async () => {
  let closed = false;
  network({
    "GET /api/health/ready": () =>
      closed
        ? {
            status: 503,
            json: {
              status: "not_ready",
              checks: [{ name: "room", status: "fail", reason: "prod requires 100 places" }],
            },
          }
        : READY,
  });
  render(<Dashboard />);
  const gate = within(panel("Release gate"));
  await gate.findByText("open");
  closed = true;
  await pass(READINESS_INTERVAL_MS);
  expect(gate.getByText("closed")).toBeInTheDocument();
  expect(gate.getByText("prod requires 100 places")).toBeInTheDocument();
  expect(gate.getByRole("listitem")).toHaveTextContent("room: failed");
});

test("a gate that cannot be asked is unknown, not open", async () => {
  network({ "GET /api/health/ready": new TypeError("Failed to fetch") });
  render(<Dashboard />);
  const gate = within(panel("Release gate"));
  expect(await gate.findByText("unknown")).toBeInTheDocument();
  expect(gate.getByText("The API cannot be reached.")).toBeInTheDocument();
});
