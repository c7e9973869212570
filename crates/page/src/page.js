// Keys and no more: every view works without this file.
"use strict";
(() => {
  const rows = () => Array.from(document.querySelectorAll("main tbody tr")).filter((row) => row.querySelector("a[href]"));
  let at = -1;
  const go = (to) => {
    const all = rows();
    if (all.length === 0) return;
    at = Math.max(0, Math.min(all.length - 1, to));
    for (const row of all) row.classList.remove("at");
    all[at].classList.add("at");
    const link = all[at].querySelector("a[href]");
    link.focus({ preventScroll: true });
    all[at].scrollIntoView({ block: "nearest" });
  };
  const help = document.getElementById("help");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (event.key === "Escape") {
      if (help && help.open) { help.close(); return; }
      if (typing) { event.target.blur(); return; }
      return;
    }
    if (typing) return;
    const search = document.getElementById("search");
    switch (event.key) {
      case "/": if (search) { event.preventDefault(); search.focus(); search.select(); } break;
      case "j": go(at + 1); break;
      case "k": go(at - 1); break;
      case "?": if (help) { help.open ? help.close() : help.showModal(); } break;
      case "u": { const up = document.querySelector("a[rel=up]"); if (up) up.click(); break; }
      case "n": { const next = document.querySelector("a[rel=next]"); if (next) next.click(); break; }
      case "p": { const prev = document.querySelector("a[rel=prev]"); if (prev) prev.click(); break; }
    }
  });
})();
