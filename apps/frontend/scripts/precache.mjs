/** Writes the list of built files and a release name into out/sw.js, so that a new build replaces the old shell. */
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";

export async function builtFiles(root) {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      relative(root, join(entry.parentPath ?? entry.path, entry.name))
        .split(sep)
        .join("/"),
    )
    .sort();
}

/** The address of a file; null for what the shell does not need. */
export function addressOf(file) {
  if (file === "sw.js" || file.endsWith(".map") || file.endsWith(".txt")) return null;
  if (file.startsWith("404/")) return null;
  if (file === "index.html") return "/";
  return `/${file.replace(/\/index\.html$/, "/")}`;
}

export async function writePrecache(root) {
  const files = await builtFiles(root);
  const release = createHash("sha256");
  const addresses = [];
  for (const file of files) {
    const address = addressOf(file);
    if (address === null) continue;
    addresses.push(address);
    release.update(address).update(await readFile(join(root, file)));
  }
  const worker = join(root, "sw.js");
  const source = await readFile(worker, "utf8");
  const built = source
    .replace("const PRECACHE = [];", `const PRECACHE = ${JSON.stringify(addresses)};`)
    .replace(
      'const RELEASE = "development";',
      `const RELEASE = "${release.digest("hex").slice(0, 12)}";`,
    );
  if (built === source) throw new Error(`${worker} has no place for the list of files`);
  await writeFile(worker, built);
  return addresses;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const addresses = await writePrecache("out");
  process.stdout.write(`out/sw.js: ${addresses.length} files in the shell\n`);
}
