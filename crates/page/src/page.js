// Keys, and asking again for what is not ready. Every view works without this file.
"use strict";
(() => {
  const search = document.getElementById("search");
  const help = document.getElementById("help");
  const rows = () => Array.from(document.querySelectorAll("main tbody tr")).filter((row) => row.querySelector("a[href]"));
  const isField = (element) => element && /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);
  let at = -1;
  const go = (to) => {
    const all = rows();
    if (all.length === 0) return;
    at = Math.max(0, Math.min(all.length - 1, to));
    for (const row of all) row.classList.remove("at");
    all[at].classList.add("at");
    all[at].querySelector("a[href]").focus({ preventScroll: true });
    all[at].scrollIntoView({ block: "nearest" });
  };
  const follow = (selector) => {
    const link = document.querySelector(selector);
    if (link) link.click();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      if (isField(event.target)) event.target.blur();
      else if (help && help.open) help.open = false;
      return;
    }
    if (isField(event.target)) return;
    switch (event.key) {
      case "/":
        if (search) { event.preventDefault(); search.focus(); search.select(); }
        break;
      case "?":
        if (help) { help.open = !help.open; help.scrollIntoView({ block: "nearest" }); }
        break;
      case "j": go(at + 1); break;
      case "k": go(at - 1); break;
      case "u": follow("a[rel=up]"); break;
      case "n": follow("a[rel=next]"); break;
      case "p": follow("a[rel=prev]"); break;
    }
  });
  const again = Number(document.body.dataset.again);
  if (again > 0) {
    const ask = () => {
      // Nobody is disturbed who is typing, or reads elsewhere.
      if (document.hidden || isField(document.activeElement)) setTimeout(ask, 1000);
      else location.reload();
    };
    setTimeout(ask, again * 1000);
  }
})();
