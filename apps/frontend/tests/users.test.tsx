import { render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { UsersView } from "@/components/UsersView";
import { ADA, GRACE, refusal, stubNetwork, type Route } from "./stubs";

const LIST = { json: { items: [ADA, GRACE], total: 2 } };
const MARIE = { name: "Marie Curie", email: "marie@example.com", role: "developer" };

function open(routes: Record<string, Route> = {}) {
  const asked = stubNetwork({ "GET /api/users": LIST, ...routes });
  render(<UsersView />);
  return { asked, user: userEvent.setup() };
}

const row = async (name: string) => {
  const person = await screen.findByText(name, { selector: "strong" });
  return within(person.closest("li") as HTMLElement);
};

async function fill(user: ReturnType<typeof userEvent.setup>, draft = MARIE) {
  for (const [label, value] of [
    ["Name", draft.name],
    ["Email", draft.email],
  ] as const) {
    await user.clear(screen.getByLabelText(label));
    await user.type(screen.getByLabelText(label), value);
  }
  await user.selectOptions(screen.getByLabelText("Role"), draft.role);
}

test("lists the people that the API knows", async () => {
  open();
  expect(screen.getByText("Loading the list")).toBeInTheDocument();
  expect((await row("Ada Lovelace")).getByText("ada@example.com")).toBeInTheDocument();
  expect((await row("Grace Hopper")).getByText("developer")).toBeInTheDocument();
  expect(screen.getByRole("heading", { name: "People 2" })).toBeInTheDocument();
});

test("an empty list invites", async () => {
  open({ "GET /api/users": { json: { items: [], total: 0 } } });
  expect(await screen.findByText("Nobody is here yet. Add the first person.")).toBeInTheDocument();
});

test("searching narrows the list and says when nobody is left", async () => {
  const { user } = open();
  await row("Ada Lovelace");
  const search = screen.getByRole("searchbox", { name: "Search by name or email" });
  await user.type(search, "grace");
  expect(screen.queryByText("Ada Lovelace")).not.toBeInTheDocument();
  await user.type(search, "x");
  expect(screen.getByText("Nobody matches “gracex”.")).toBeInTheDocument();
});

test("a list that fails to load can be tried again", async () => {
  let down = true;
  const { user } = open({ "GET /api/users": () => (down ? new TypeError() : LIST) });
  expect(await screen.findByRole("alert")).toHaveTextContent(
    "The list could not be loaded. The API cannot be reached.",
  );
  down = false;
  await user.click(screen.getByRole("button", { name: "Try again" }));
  await row("Ada Lovelace");
  expect(screen.queryByRole("alert")).not.toBeInTheDocument();
});

test("a list from memory says that it is one", async () => {
  open({ "GET /api/users": { ...LIST, headers: { "X-Offline-Copy": "1" } } });
  expect(await screen.findByText(/You are offline/)).toBeInTheDocument();
});

test("adds a person", async () => {
  const { asked, user } = open({
    "POST /api/users": ({ body }) => ({
      status: 201,
      json: { ...ADA, ...(body as object), id: "n1" },
    }),
  });
  await row("Ada Lovelace");
  await fill(user, { ...MARIE, name: "  Marie Curie " });
  await user.click(screen.getByRole("button", { name: "Add" }));
  await row("Marie Curie");
  expect(asked[asked.length - 1]?.body).toEqual(MARIE);
  expect(screen.getByText("Marie Curie was added.")).toBeInTheDocument();
  expect(screen.getByLabelText("Name")).toHaveValue("");
});

test("what is plainly wrong never reaches the API, and the first wrong field is focused", async () => {
  const { asked, user } = open();
  await row("Ada Lovelace");
  await user.type(screen.getByLabelText("Email"), "nowhere");
  await user.click(screen.getByRole("button", { name: "Add" }));
  const name = screen.getByLabelText("Name");
  expect(name).toHaveAccessibleDescription("Name is required");
  expect(name).toBeInvalid();
  expect(name).toHaveFocus();
  expect(screen.getByLabelText("Email")).toHaveAccessibleDescription(
    "Email must look like name@example.com",
  );
  expect(asked.filter(({ method }) => method === "POST")).toEqual([]);
  await user.type(name, "M");
  expect(name).toBeValid();
});

test("a field that the API refuses is marked and keeps its text", async () => {
  const json = refusal("email_taken", "Another user has this email address.", {
    email: "is already in use",
  });
  const { user } = open({ "POST /api/users": { status: 409, json } });
  await row("Ada Lovelace");
  await fill(user);
  await user.click(screen.getByRole("button", { name: "Add" }));
  const email = screen.getByLabelText("Email");
  await waitFor(() => expect(email).toHaveAccessibleDescription("Email is already in use"));
  expect(email).toHaveValue(MARIE.email);
  expect(email).toHaveFocus();
});

test.each([
  [507, refusal("store_full", "No more users fit."), "No more users fit. (request req-7)"],
  [502, undefined, "The API answered 502."],
])("a refusal with status %i that names no field is shown whole", async (status, json, shown) => {
  const { user } = open({ "POST /api/users": { status, json } });
  await row("Ada Lovelace");
  await fill(user);
  await user.click(screen.getByRole("button", { name: "Add" }));
  expect(await screen.findByRole("alert")).toHaveTextContent(shown);
});

test("edits a person in the same form", async () => {
  const { asked, user } = open({
    "PUT /api/users/seed-1": ({ body }) => ({ json: { ...ADA, ...(body as object) } }),
  });
  await user.click((await row("Ada Lovelace")).getByRole("button", { name: "Edit Ada Lovelace" }));
  expect(screen.getByRole("heading", { name: "Edit Ada Lovelace" })).toBeInTheDocument();
  expect(screen.getByLabelText("Role")).toHaveValue("admin");
  await fill(user, { ...MARIE, name: "Ada King" });
  await user.click(screen.getByRole("button", { name: "Save" }));
  await row("Ada King");
  expect(screen.queryByText("Ada Lovelace")).not.toBeInTheDocument();
  expect(asked[asked.length - 1]).toMatchObject({
    method: "PUT",
    body: { ...MARIE, name: "Ada King" },
  });
  expect(screen.getByRole("heading", { name: "Add a person" })).toBeInTheDocument();
});

test("an edit can be cancelled", async () => {
  const { user } = open();
  await user.click((await row("Ada Lovelace")).getByRole("button", { name: "Edit Ada Lovelace" }));
  await user.click(screen.getByRole("button", { name: "Cancel" }));
  expect(screen.getByLabelText("Name")).toHaveValue("");
});

test("saving a person whom the answering task does not know is explained", async () => {
  const json = refusal("user_not_found", "There is no such user.");
  const { user } = open({ "PUT /api/users/seed-1": { status: 404, json } });
  await user.click((await row("Ada Lovelace")).getByRole("button", { name: "Edit Ada Lovelace" }));
  await user.click(screen.getByRole("button", { name: "Save" }));
  expect(await screen.findByRole("alert")).toHaveTextContent(
    "The task that answered does not know",
  );
});

test("deleting asks once more", async () => {
  const { asked, user } = open({ "DELETE /api/users/seed-1": { status: 204 } });
  await user.click(
    (await row("Ada Lovelace")).getByRole("button", { name: "Delete Ada Lovelace" }),
  );
  await user.click((await row("Ada Lovelace")).getByRole("button", { name: "Keep" }));
  expect(asked).toHaveLength(1);
  await user.click(
    (await row("Ada Lovelace")).getByRole("button", { name: "Delete Ada Lovelace" }),
  );
  await user.click(
    (await row("Ada Lovelace")).getByRole("button", { name: "Delete Ada Lovelace" }),
  );
  expect(await screen.findByText("Ada Lovelace was deleted.")).toBeInTheDocument();
  expect(screen.queryByText("Ada Lovelace", { selector: "strong" })).not.toBeInTheDocument();
});

test("deleting the person in the form empties the form", async () => {
  const { user } = open({ "DELETE /api/users/seed-1": { status: 204 } });
  const ada = await row("Ada Lovelace");
  await user.click(ada.getByRole("button", { name: "Edit Ada Lovelace" }));
  await user.click(ada.getByRole("button", { name: "Delete Ada Lovelace" }));
  await user.click(ada.getByRole("button", { name: "Delete Ada Lovelace" }));
  expect(await screen.findByRole("heading", { name: "Add a person" })).toBeInTheDocument();
});

test("deleting somebody who is gone already is a success", async () => {
  const { user } = open({
    "DELETE /api/users/seed-1": { status: 404, json: refusal("user_not_found", "") },
  });
  const ada = await row("Ada Lovelace");
  await user.click(ada.getByRole("button", { name: "Delete Ada Lovelace" }));
  await user.click(ada.getByRole("button", { name: "Delete Ada Lovelace" }));
  expect(await screen.findByText("Ada Lovelace was deleted.")).toBeInTheDocument();
});

test("a delete that fails keeps the person and says why", async () => {
  const { user } = open({ "DELETE /api/users/seed-1": new TypeError("Failed to fetch") });
  const ada = await row("Ada Lovelace");
  await user.click(ada.getByRole("button", { name: "Delete Ada Lovelace" }));
  await user.click(ada.getByRole("button", { name: "Delete Ada Lovelace" }));
  expect(await ada.findByRole("alert")).toHaveTextContent(
    "Not deleted. The API cannot be reached.",
  );
  expect(ada.getByRole("button", { name: "Edit Ada Lovelace" })).toBeInTheDocument();
});
