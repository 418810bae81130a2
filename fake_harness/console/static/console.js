// Live parts of the console. Pages work without it: it only fetches the same pages again when
// something changed, appends log lines as they are written, and lets durations tick.
"use strict";

(() => {
  document.documentElement.classList.add("js");
  let events = null, log = null, logKey = "", timer = 0, loading = false, again = false;
  let seq = document.body.dataset.seq || "0", shown = "";

  function words(ms) {
    const s = Math.max(0, ms / 1000);
    if (s < 10) return s.toFixed(1) + " s";
    const m = Math.floor(s / 60), rest = Math.floor(s % 60);
    if (m === 0) return rest + " s";
    return m < 60 ? `${m} min ${rest} s` : `${Math.floor(m / 60)} h ${m % 60} min`;
  }
  function ago(ms) {
    const s = Math.floor(ms / 1000);
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]])
      if (s >= size) return `${Math.floor(s / size)} ${unit} ago`;
    return s < 5 ? "just now" : `${s} s ago`;
  }
  function tick() {
    const now = Date.now();
    for (const e of document.querySelectorAll("[data-since]")) e.textContent = words(now - e.dataset.since);
    for (const e of document.querySelectorAll("[data-ago]")) e.textContent = ago(now - e.dataset.ago);
  }

  // Swap the live parts of this page for those of a freshly rendered one.
  function swap(fresh) {
    const old = new Map([...document.querySelectorAll("[data-live]")].map((e) => [e.id, e]));
    const news = [...fresh.querySelectorAll("[data-live]")];
    if (news.length !== old.size || news.some((e) => !old.has(e.id))) {
      document.querySelector("main").replaceWith(fresh.querySelector("main"));
      for (const e of news) if (!e.closest("main") && old.has(e.id)) old.get(e.id).replaceWith(e);
    } else for (const e of news) replace(old.get(e.id), e);
    document.title = fresh.title;
    tick();
    reveal();
    follow();
  }
  // Bring the chosen stage into sight, once for each choice.
  function reveal() {
    const stage = document.querySelector(".stage[aria-current]");
    if (!stage || shown === stage.getAttribute("href")) return;
    shown = stage.getAttribute("href");
    const graph = stage.closest(".graph");
    graph.scrollLeft += stage.getBoundingClientRect().left - graph.getBoundingClientRect().left - 16;
  }
  function replace(before, after) {
    const writing = before.contains(document.activeElement) && document.activeElement.matches("input,textarea,select");
    const entered = [...before.querySelectorAll("textarea,input[type=text]")].some((e) => e.value !== e.defaultValue);
    if ((writing || entered) && after.querySelector("form")) return;
    if (before.dataset.log && before.dataset.key === after.dataset.key) return; // its lines come by themselves
    const stripped = (e) => e.innerHTML.replace(/(<time[^>]*>)[^<]*/g, "$1");
    if (before.dataset.key === after.dataset.key && stripped(before) === stripped(after)) return;
    const focus = before.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const left = before.scrollLeft;
    before.replaceWith(after);
    after.scrollLeft = left;
    if (focus) for (const a of after.querySelectorAll("a")) if (a.getAttribute("href") === focus) { a.focus({ preventScroll: true }); break; }
  }
  async function load(url, push) {
    if (loading && !push) { again = true; return; }
    loading = true;
    try {
      const answer = await fetch(url, { headers: { Accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!fresh.querySelector("main")) return;
      if (push) history.pushState(null, "", url);
      swap(fresh);
    } catch { setTimeout(refresh, 2000); } finally { loading = false; }
    if (again) { again = false; refresh(); }
  }
  function refresh() { clearTimeout(timer); timer = setTimeout(() => load(location.href, false), 120); }

  // Follow the log of the step that is shown.
  function follow() {
    const box = document.querySelector("[data-log]");
    const key = box ? box.dataset.key : "";
    if (key === logKey && log) return;
    if (log) log.close();
    log = null; logKey = key;
    if (!box) return;
    for (const lines of box.querySelectorAll(".lines")) lines.scrollTop = lines.scrollHeight;
    if ("final" in box.dataset) return;
    log = new EventSource(`${box.dataset.log}?after=${box.dataset.after}`);
    log.addEventListener("lines", (event) => {
      const { index, unit, html } = JSON.parse(event.data);
      const lines = unitLines(box, index, unit);
      const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
      lines.insertAdjacentHTML("beforeend", html); // escaped by the server
      if (atEnd) lines.scrollTop = lines.scrollHeight;
      box.dataset.after = event.lastEventId;
    });
    log.addEventListener("units", refresh);
    log.addEventListener("end", () => { if (log) log.close(); refresh(); });
  }
  function unitLines(box, index, unit) {
    let part = box.querySelector(`[data-unit="${index}"]`);
    if (!part) {
      part = document.createElement("details");
      part.className = "unit"; part.open = true; part.dataset.unit = index;
      const name = document.createElement("summary"); name.textContent = unit || "Log";
      const lines = document.createElement("div"); lines.className = "lines"; lines.setAttribute("role", "log");
      part.append(name, lines);
      box.insertBefore(part, box.querySelector(".none"));
    }
    return part.querySelector(".lines");
  }

  // A hidden tab holds no connection: browsers allow few of them to one server.
  function listen() {
    if (events || document.hidden) return;
    events = new EventSource(`${document.body.dataset.events}?after=${seq}`);
    events.addEventListener("open", refresh); // what changed while the page was on its way
    events.addEventListener("change", (event) => { seq = event.lastEventId; refresh(); });
  }
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) { listen(); refresh(); follow(); return; }
    if (events) events.close();
    if (log) log.close();
    events = log = null; logKey = "";
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    load(link.href, true);
  });
  addEventListener("popstate", () => load(location.href, false));
  document.addEventListener("submit", (event) => {
    const ask = event.target.dataset.confirm;
    if (ask && !confirm(ask)) event.preventDefault();
  });
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-auto]");
    if (form) form.requestSubmit();
  });

  tick(); reveal(); setInterval(tick, 1000); setInterval(refresh, 15000);
  const last = document.querySelector("main");
  if (last) { listen(); follow(); }
})();
