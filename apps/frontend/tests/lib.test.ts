import { STATIONS } from "@/lib/road";
import { chooseTheme, currentTheme, THEME_KEY, THEME_SCRIPT } from "@/lib/theme";
import { addSample, hueOf, remember, tally, WINDOW, type Sample } from "@/lib/traffic";
import { initials, searchUsers, validateDraft } from "@/lib/users";
import { FRONTEND_VERSION, shortVersion } from "@/lib/version";
import { ADA, GRACE, health } from "./stubs";

function sample(id: number, version: string | null): Sample {
  return { id, health: version === null ? null : health({ version }), latency_ms: 1, reason: "" };
}

describe("versions", () => {
  test.each([
    ["4c1f0de".padEnd(40, "0"), "4c1f0de"],
    ["4c1f0de", "4c1f0de"],
    ["v1.2.3-beta", "v1.2.3-beta"],
    ["unversioned", "unversioned"],
  ])("%s is shown as %s", (version, shown) => {
    expect(shortVersion(version)).toBe(shown);
  });

  test("a build without a version says so", () => {
    expect(FRONTEND_VERSION).toBe("unversioned");
  });
});

describe("traffic", () => {
  test("shares count each version and failures, in the order in which they appeared", () => {
    const samples = ["new", "old", "old", null, "old"].map((version, id) => sample(id, version));
    expect(tally(samples, ["old", "new"])).toEqual([
      { version: "old", count: 3, percent: 60 },
      { version: "new", count: 1, percent: 20 },
      { version: null, count: 1, percent: 20 },
    ]);
  });

  test("no answers have no shares", () => {
    expect(tally([], ["old"])).toEqual([]);
  });

  test("only the latest answers are kept", () => {
    let samples: Sample[] = [];
    for (let id = 0; id < WINDOW + 5; id += 1) samples = addSample(samples, sample(id, "old"));
    expect(samples).toHaveLength(WINDOW);
    expect(samples[0]?.id).toBe(5);
  });

  test("a version keeps its colour when others come", () => {
    const seen = remember(remember(remember([], "old"), "new"), "old");
    expect(seen).toEqual(["old", "new"]);
    expect([hueOf(seen, "old"), hueOf(seen, "new"), hueOf(seen, null)]).toEqual([
      "hue-0",
      "hue-1",
      "failed",
    ]);
  });
});

describe("users", () => {
  test.each([
    [{ name: " ", email: "a@b.io" }, { name: "is required" }],
    [{ name: "x".repeat(81), email: "a@b.io" }, { name: "must be at most 80 characters" }],
    [{ name: "Ada", email: "" }, { email: "is required" }],
    [{ name: "Ada", email: "ada@example" }, { email: "must look like name@example.com" }],
    [
      { name: "Ada", email: `a@${"x".repeat(254)}.io` },
      { email: "must look like name@example.com" },
    ],
    [{ name: "Ada", email: " a@b.io " }, {}],
  ])("%j gives %j", (draft, errors) => {
    expect(validateDraft({ role: "viewer", ...draft })).toEqual(errors);
  });

  test("a search looks at name and email, whatever the case", () => {
    expect(searchUsers([ADA, GRACE], " LOVE ")).toEqual([ADA]);
    expect(searchUsers([ADA, GRACE], "grace@")).toEqual([GRACE]);
    expect(searchUsers([ADA, GRACE], "")).toEqual([ADA, GRACE]);
  });

  test.each([
    ["Ada Lovelace", "AL"],
    ["Ada", "A"],
    ["Ada King Lovelace", "AL"],
    ["", "?"],
  ])("the initials of “%s” are %s", (name, shown) => {
    expect(initials(name)).toBe(shown);
  });
});

describe("theme", () => {
  const system = (dark: boolean) => {
    window.matchMedia = (query: string) => ({ matches: dark, media: query }) as MediaQueryList;
  };

  beforeEach(() => {
    delete document.documentElement.dataset.theme;
    localStorage.clear();
  });

  test("follows the system until a choice is made, which outlives the page", () => {
    system(true);
    expect(currentTheme()).toBe("dark");
    chooseTheme("light");
    expect(currentTheme()).toBe("light");
    expect(localStorage.getItem(THEME_KEY)).toBe("light");
    delete document.documentElement.dataset.theme;
    new Function(THEME_SCRIPT)();
    expect(currentTheme()).toBe("light");
  });

  test("a stored value that is no theme is ignored", () => {
    system(false);
    localStorage.setItem(THEME_KEY, "<script>");
    new Function(THEME_SCRIPT)();
    expect(currentTheme()).toBe("light");
    expect(document.documentElement.dataset.theme).toBeUndefined();
  });

  test("refused storage does not refuse the choice", () => {
    const refused = jest.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
      throw new DOMException("", "SecurityError");
    });
    chooseTheme("dark");
    expect(currentTheme()).toBe("dark");
    refused.mockRestore();
  });
});

test("each station of the road has an address of its own", () => {
  expect(new Set(STATIONS.map(({ id }) => id)).size).toBe(STATIONS.length);
});
