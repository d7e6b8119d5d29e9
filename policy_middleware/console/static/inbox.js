// Live updates for pages that are complete without them. A change is only a hint: the page is fetched again from
// where it is, and its live regions are exchanged. So there is one way to render and one place to check who asks.
"use strict";

(() => {
  const POLL = 5000;
  const LOOK_ANYWAY = 30000;
  const body = document.body;
  const self = body.dataset.self;
  if (!self) return;

  // -- time: the server's clock counts, not the one of this computer

  const ahead = Number(body.dataset.now) * 1000 - Date.now();

  // The same words as policy_middleware/console/wording.py.
  function duration(seconds) {
    const whole = Math.max(0, Math.floor(seconds));
    const two = (large, unit, small, smallUnit) => `${large} ${unit}` + (small ? ` ${small} ${smallUnit}` : "");
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min`;
    if (whole < 86400) return two(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
    return two(Math.floor(whole / 86400), "d", Math.floor((whole % 86400) / 3600), "h");
  }

  let lapsed = 0;

  function count() {
    const now = (Date.now() + ahead) / 1000;
    let over = 0;
    for (const each of document.querySelectorAll(".countdown")) {
      const left = Number(each.dataset.until) - now;
      const text = duration(left);
      if (each.textContent !== text) each.textContent = text;
      if (left <= 0) over += 1;
    }
    if (over > lapsed) refresh();
    lapsed = over;
  }

  // -- exchange of live regions

  const announcer = document.getElementById("announcer");
  const stale = document.getElementById("stale");
  const region = (root, name) => root.querySelector(`[data-live="${name}"]`);
  const rows = (root) => new Set([...root.querySelectorAll(".queue > li")].map((row) => row.id));

  function exchange(fresh) {
    const known = rows(document);
    const focused = document.activeElement;
    const address = focused && focused.getAttribute("href");
    for (const old of document.querySelectorAll("[data-live]")) {
      const replacement = region(fresh, old.dataset.live);
      if (!replacement) continue;
      if (old.dataset.live === "notice") continue;
      // A comment that is being written stays, as long as there is something to decide.
      if (old.dataset.live === "decide" && old.dataset.state === replacement.dataset.state) continue;
      if (old.innerHTML.trim() === replacement.innerHTML.trim()) continue;
      if (old.dataset.live === "summary" || old.dataset.live === "decide") {
        const status = region(fresh, "summary");
        const text = status && status.querySelector(".status");
        if (text) announce(text.textContent.replace(/[^\p{L}\s]/gu, "").trim());
      }
      old.replaceWith(document.adoptNode(replacement));
    }
    if (address && document.activeElement !== focused && !focused.isConnected) {
      const again = document.querySelector(`[href="${CSS.escape(address)}"]`);
      if (again) again.focus({ preventScroll: true });
    }
    const added = [...document.querySelectorAll(".queue > li")].filter((row) => !known.has(row.id));
    for (const row of added) {
      row.classList.add("new");
      setTimeout(() => row.classList.remove("new"), 4000);
    }
    if (added.length === 1) announce(`New: ${added[0].querySelector(".sentence").textContent}`);
    if (added.length > 1) announce(`${added.length} new requests`);
    count();
  }

  function announce(text) {
    announcer.textContent = text;
  }

  let running = false;
  let again = false;

  async function refresh() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      const answer = await fetch(self, { cache: "no-store", redirect: "error", headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(String(answer.status));
      exchange(new DOMParser().parseFromString(await answer.text(), "text/html"));
      stale.hidden = true;
    } catch {
      stale.hidden = false;
    } finally {
      running = false;
      if (again) {
        again = false;
        refresh();
      }
    }
  }

  // -- news: pushed where the server can, else asked for

  let polling = null;

  function poll(interval) {
    clearInterval(polling);
    polling = setInterval(() => {
      if (!document.hidden) refresh();
    }, interval);
  }

  function listen(address) {
    const source = new EventSource(address);
    source.addEventListener("open", () => {
      poll(LOOK_ANYWAY);
      refresh();
    });
    source.addEventListener("change", refresh);
    // Closed for good where the server cannot keep a response open; then only asking is left.
    source.addEventListener("error", () => poll(POLL));
    return source;
  }

  // -- start

  const heading = document.getElementById("wrong");
  if (heading) heading.focus();
  poll(POLL);
  // A page that nobody looks at holds no connection: browsers open only six to a host.
  let source = document.hidden ? null : listen(body.dataset.events);
  addEventListener("pagehide", () => source && source.close());
  document.addEventListener("visibilitychange", () => {
    if (source) source.close();
    source = document.hidden ? null : listen(body.dataset.events);
    if (!document.hidden) refresh();
  });
  setInterval(count, 1000);

  // A second click must not become a second vote.
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });
})();
