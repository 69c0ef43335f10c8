// Puts the newest totals in place of those on the page, as soon as there are any.
"use strict";

(() => {
  const EVERY_MS = 60_000;

  async function look() {
    const day = document.getElementById("city-day");
    if (!day || document.hidden) return;
    const answer = await fetch("/api/v1/city/version", { cache: "no-cache" });
    if (!answer.ok) return;
    const { version } = await answer.json();
    if (version !== day.dataset.version) await renew(day);
  }

  async function renew(day) {
    const answer = await fetch(location.href, { cache: "no-cache" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("city-day");
    if (!fresh) return;
    const focused = day.contains(document.activeElement) ? document.activeElement : null;
    const open = [...day.querySelectorAll("details[open]")].map((node) => node.id);
    day.replaceWith(fresh);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused) again(fresh, focused)?.focus({ preventScroll: true });
    const announcement = document.getElementById("announcement");
    if (announcement) announcement.textContent = fresh.dataset.updated;
  }

  // What stands for the same in the new content.
  function again(fresh, focused) {
    if (focused.tagName === "SUMMARY") return fresh.querySelector("summary");
    const address = focused.getAttribute("href");
    return [...fresh.querySelectorAll("a")].find((link) => link.getAttribute("href") === address);
  }

  const tried = () => look().catch(() => {}); // the server may be away for a while: the next minute is another chance
  setInterval(tried, EVERY_MS);
  document.addEventListener("visibilitychange", tried);
})();
