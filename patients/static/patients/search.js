// The search box in the header: matches below it as one types, a combobox for keyboard and screen reader.
// What is typed is posted and kept nowhere; leaving the page empties the box.
"use strict";
(() => {
  const form = document.querySelector("form.onset-search");
  if (!form) return;
  const input = form.querySelector("input[name=find]");
  const panel = form.querySelector(".onset-search-panel");
  const status = form.querySelector("[role=status]");
  const PAUSE = 200; // milliseconds after the last key
  let timer = 0;
  let asking = null;

  const options = () => [...panel.querySelectorAll("[role=option]")];

  function close() {
    clearTimeout(timer);
    if (asking) asking.abort();
    panel.hidden = true;
    panel.replaceChildren();
    status.textContent = "";
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function show(html) {
    panel.innerHTML = html;
    panel.hidden = false;
    status.textContent = panel.querySelector(".onset-search-note").textContent;
    input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-expanded", String(options().length > 0));
  }

  async function ask() {
    const mine = (asking = new AbortController());
    try {
      const answer = await fetch(form.dataset.matches, {
        method: "POST",
        body: new FormData(form),
        redirect: "error", // to the sign-in page, when the session is over
        signal: mine.signal,
      });
      const html = await answer.text();
      if (!answer.ok) throw new Error(answer.status);
      if (!mine.signal.aborted) show(html);
    } catch {
      if (!mine.signal.aborted) show('<p class="onset-search-note">Press Enter to search.</p>');
    }
  }

  function move(step) {
    const all = options();
    if (!all.length) return;
    const now = all.findIndex((option) => option.id === input.getAttribute("aria-activedescendant"));
    const next = now < 0 ? (step > 0 ? 0 : all.length - 1) : (now + step + all.length) % all.length;
    all.forEach((option, at) => option.setAttribute("aria-selected", String(at === next)));
    input.setAttribute("aria-activedescendant", all[next].id);
    all[next].scrollIntoView({ block: "nearest" });
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    if (asking) asking.abort();
    const text = input.value.trim();
    // One Latin letter or digit fits too many; one character of another script may be a whole name.
    if (!text || /^[\x20-\x7e]$/.test(text)) close();
    else timer = setTimeout(ask, PAUSE);
  });

  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const chosen = document.getElementById(input.getAttribute("aria-activedescendant"));
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && chosen) {
      event.preventDefault();
      chosen.click();
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (panel.hidden) {
        input.value = "";
        input.blur();
      }
      close();
    }
  });

  form.addEventListener("submit", (event) => {
    if (input.value.trim()) close();
    else event.preventDefault();
  });
  form.addEventListener("focusout", (event) => {
    if (!form.contains(event.relatedTarget)) close();
  });
  panel.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the focus in the box
  window.addEventListener("pagehide", () => {
    input.value = "";
    close();
  });

  document.addEventListener("keydown", (event) => {
    const at = event.target;
    const typing = at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName);
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
})();
