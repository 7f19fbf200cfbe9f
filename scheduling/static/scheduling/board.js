// The day board: asks every second whether anything changed and swaps in what did; steps with one click, moves
// by mouse or keyboard. Every write is one of the services' and may be refused; nothing is changed here first.
"use strict";
(() => {
  const board = document.getElementById("board");
  if (!board) return;
  const at = (id) => document.getElementById(id);
  const [body, live, menu, toast, dialog, help, say] =
    ["b-body", "b-live", "b-menu", "b-toast", "b-dialog", "b-help", "b-say"].map(at);
  const words = Object.fromEntries(
    [...at("b-words").content.querySelectorAll("[data-step]")].map((each) => [each.dataset.step, each.textContent]),
  );
  const EVERY = 1000; // milliseconds between two questions
  const SLOWEST = 30_000; // after many failures
  const ACTIVE = 60_000; // how often a question tells that somebody is at work
  const UNDO = 15 * 60_000; // as long as the service takes a step back
  const TICK = 5 * 60_000;
  const QUARTER = 3; // ticks
  const ENDS = { cancel: "The patient is told, and the time is free at once.", no_show: "The time is free at once." };
  const make = (tag, fields = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), fields);
    made.append(...children);
    return made;
  };
  const clock = new Intl.DateTimeFormat("en-US", { hour: "numeric", minute: "2-digit", timeZone: board.dataset.zone });

  // --- staying live -------------------------------------------------------------------------------------------
  let tag = board.dataset.tag;
  let timer = 0;
  let asking = null;
  let failures = 0;
  let lost = "";
  let touched = 0;
  let told = Date.now();
  let waiting = ""; // a body that came while something was being moved

  function tell(text, state) {
    if (live.textContent !== text) live.textContent = text;
    live.dataset.state = state;
  }

  function signedOut() {
    clearTimeout(timer);
    tag = null;
    live.dataset.state = "lost";
    live.replaceChildren("You are signed out. ", make("a", { href: location.href, className: "onset-link", textContent: "Sign in again" }));
  }

  async function poll() {
    clearTimeout(timer);
    if (document.hidden || tag === null) return;
    if (asking) asking.abort();
    const mine = (asking = new AbortController());
    const active = touched > told && Date.now() - told > ACTIVE;
    const limit = setTimeout(() => mine.abort(), 15_000);
    try {
      const answer = await fetch(location.href.split("#")[0], {
        // X-Onset-Poll: nobody did this, so it keeps nobody signed in (clinic/access/watch.py).
        headers: { "X-Board-Poll": "1", "If-None-Match": tag, ...(active ? {} : { "X-Onset-Poll": "1" }) },
        redirect: "manual",
        signal: mine.signal,
      });
      if (answer.type === "opaqueredirect" || answer.status === 403) return signedOut();
      if (answer.status === 200) {
        const html = await answer.text();
        tag = answer.headers.get("ETag") || "";
        if (moving) waiting = html;
        else show(html);
      } else if (answer.status !== 304) throw new Error(answer.status);
      if (active) told = Date.now();
      failures = 0;
      lost = "";
      tell("Live", "live");
    } catch {
      if (asking !== mine) return; // a newer question is on its way
      failures += 1;
      lost ||= clock.format(new Date());
      tell(`Not live since ${lost}. Trying again.`, "lost");
    } finally {
      clearTimeout(limit);
    }
    if (asking === mine) timer = setTimeout(poll, Math.min(EVERY * 2 ** Math.min(failures, 5), SLOWEST));
  }

  const DEEP = ["b-frame", "b-scroll", "b-grid", "b-row"];
  const named = (element) => element.id || element.className;

  function reconcile(old, fresh) {
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const left = new Map([...old.children].map((child) => [named(child), child]));
    let spot = old.firstElementChild;
    for (const wanted of [...fresh.children]) {
      const mine = left.get(named(wanted));
      left.delete(named(wanted));
      if (!mine) old.insertBefore(wanted, spot);
      else {
        if (mine === spot) spot = spot.nextElementSibling;
        else old.insertBefore(mine, spot);
        if (DEEP.some((name) => mine.id === name || mine.classList.contains(name))) reconcile(mine, wanted);
        else if (mine.outerHTML !== wanted.outerHTML) {
          if (mine === spot) spot = wanted;
          mine.replaceWith(wanted);
        }
      }
    }
    left.forEach((gone) => gone.remove());
  }

  function show(html) {
    const fresh = make("div", { id: "b-body", innerHTML: html });
    const day = at("b-frame").dataset.day;
    if (fresh.querySelector("#b-frame").dataset.day !== day) return location.reload(); // midnight has passed
    const focused = document.activeElement;
    const card = focused && focused.closest("#b-body [id]");
    const which = focused && [".b-more", "[data-step]", "a"].find((each) => focused.matches(each));
    reconcile(body, fresh);
    if (card && which && !focused.isConnected) {
      const same = at(card.id);
      if (same) (same.querySelector(which) || same.querySelector("a")).focus({ preventScroll: true });
    }
  }

  document.addEventListener("visibilitychange", poll);
  addEventListener("online", poll);
  for (const what of ["pointerdown", "keydown", "wheel"]) addEventListener(what, () => (touched = Date.now()), { passive: true });

  // --- asking the clinic to do something ----------------------------------------------------------------------
  async function send(url, fields) {
    const form = new FormData(board.querySelector("form"));
    Object.entries(fields).forEach(([name, value]) => form.append(name, value));
    let answer;
    try {
      answer = await fetch(url, { method: "POST", body: form, redirect: "manual" });
    } catch {
      return { refused: true, said: "The clinic's server did not answer. Look whether it was done before you try again." };
    }
    if (answer.type === "opaqueredirect") {
      signedOut();
      return { refused: true, said: "You are signed out, so nothing was done. Sign in again." };
    }
    const said = await answer.json().catch(() => ({ said: "Nothing was done: you may be signed out. Reload the board." }));
    return { ...said, refused: !answer.ok };
  }

  let hiding = 0;
  function pop(text, undo) {
    clearTimeout(hiding);
    toast.replaceChildren(make("span", { textContent: text }));
    if (undo) toast.append(make("button", { type: "button", textContent: "Undo", onclick: () => step({ ...undo, step: "undo" }) }));
    toast.append(make("button", { type: "button", className: "b-close", ariaLabel: "Close", onclick: () => (toast.hidden = true) }));
    toast.hidden = false;
    hiding = setTimeout(() => (toast.hidden = true), UNDO);
  }

  function ask(title, said, answers) {
    at("b-dialog-title").textContent = title;
    dialog.querySelector(".b-said").replaceChildren(...said);
    dialog.querySelector(".b-answers").replaceChildren(...answers);
    if (!dialog.open) dialog.showModal();
  }
  const close = (text, className = "b-answer b-quiet") => make("button", { type: "button", className, textContent: text, onclick: () => dialog.close() });
  const paragraph = (textContent) => make("p", { textContent });

  function refuse(found, title, retry) {
    toast.hidden = true;
    const open = found.open && found.open.length;
    const said = open && !found.held ? [] : [paragraph(found.said)];
    if (open) {
      said.push(make("ul", {}, ...found.open.map((gate) => make("li", {}, make("b", { textContent: gate.name }), ` ${gate.advice}`))));
    }
    const answers = [];
    if (retry && found.alternatives && found.alternatives.length) {
      said.push(paragraph("Free near it:"));
      const offer = ({ start, text }) => make("button", { type: "button", className: "b-answer b-quiet", textContent: text, onclick: () => retry(start) });
      said.push(make("div", { className: "b-alternatives" }, ...found.alternatives.map(offer)));
    }
    if (found.page) {
      const text = open ? "Open the session" : "Open the visit";
      answers.push(make("a", { className: "b-answer", href: found.page, textContent: text }));
    }
    ask(open ? "First, this has to be done" : title, said, [...answers, close("Close")]);
  }

  async function step(fields) {
    const card = at(`v${fields.appointment}`);
    if (card) card.setAttribute("aria-busy", "true");
    const found = await send(board.dataset.step, fields);
    if (card) card.removeAttribute("aria-busy");
    if (found.refused) refuse(found, "Not done");
    else pop(found.said, found.undo);
    poll();
  }

  const shown = (card) => ({ appointment: card.id.slice(1), version: card.dataset.v, session_version: card.dataset.s || "" });
  const nameOf = (card) => card.querySelector("h3").textContent;

  function take(card, verb) {
    const fields = { ...shown(card), step: verb };
    if (!(verb in ENDS)) return step(fields);
    const go = make("button", { type: "button", className: "b-answer b-ends", textContent: words[verb], onclick: () => (dialog.close(), step(fields)) });
    ask(`${words[verb]}: ${nameOf(card)}?`, [paragraph(`${ENDS[verb]} It can be undone for 15 minutes.`)], [go, close("Leave it")]);
  }

  function openMenu(button) {
    const card = button.closest(".b-card");
    const item = (text, run) => make("button", { type: "button", textContent: text, onclick: () => (menu.hidePopover(), run()) });
    const items = (card.dataset.more || "").split(",").filter(Boolean).map((verb) => item(words[verb], () => take(card, verb)));
    if (card.dataset.can && !phone.matches) items.unshift(item("Move with the arrow keys", () => pickUp(card)));
    menu.replaceChildren(...items, make("a", { href: card.querySelector("h3 a").href, textContent: "Open" }));
    menu.showPopover();
    const box = button.getBoundingClientRect();
    menu.style.left = `${Math.max(8, Math.min(box.left, innerWidth - menu.offsetWidth - 8))}px`;
    const below = box.bottom + 4;
    menu.style.top = `${below + menu.offsetHeight < innerHeight ? below : Math.max(8, box.top - menu.offsetHeight - 4)}px`;
    menu.firstElementChild.focus();
  }

  body.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && button.dataset.step) take(button.closest(".b-card"), button.dataset.step);
    else if (button && button.matches(".b-more")) openMenu(button);
    const gap = event.target.closest(".b-gap a");
    if (gap && event.detail && !phone.matches) startAt(gap, event.clientY); // a click, not Enter
  });

  function startAt(link, y) {
    const cell = link.closest(".b-gap");
    const first = number(cell, "--a");
    const tick = Math.floor((y - lines().top) / lines().tick / QUARTER) * QUARTER;
    const url = new URL(link.href);
    url.searchParams.set("start", instant(Math.max(first, Math.min(tick, number(cell, "--e") - QUARTER))));
    link.href = url;
  }

  // --- moving -------------------------------------------------------------------------------------------------
  const phone = matchMedia("(max-width: 767px)");
  let moving = null;
  const number = (element, name) => Number(element.style.getPropertyValue(name));
  const instant = (tick) => new Date(Date.parse(at("b-frame").dataset.start) + tick * TICK).toISOString().replace(".000", "");
  const grid = () => body.querySelector(".b-grid");
  const chairs = () => [...grid().querySelectorAll(".b-head [data-chair]")];

  function lines() {
    const box = grid().querySelector(".b-lines").getBoundingClientRect();
    return { left: box.left, top: box.top, column: box.width / number(grid(), "--cols"), tick: box.height / number(grid(), "--ticks") };
  }

  const reads = ({ column, tick }) => {
    const chair = grid().querySelectorAll(".b-head [role=columnheader]")[column].firstChild.textContent;
    return `${clock.format(new Date(instant(tick)))}, ${chair}`;
  };

  function pickUp(card) {
    if (!card.dataset.can) return pop("Only a visit that has not begun can be moved.");
    const from = { column: number(card, "--c"), tick: number(card, "--a") };
    const ghost = make("div", { className: "b-ghost" });
    grid().append(ghost);
    card.classList.add("b-moving");
    moving = { card, from, ...from, ticks: number(card, "--e") - from.tick, ghost };
    place(from);
    say.textContent = `Moving ${nameOf(card)}. Arrow keys choose, Enter puts it there, Escape leaves it.`;
  }

  function place({ column, tick }) {
    const { card, ghost, ticks } = moving;
    const last = chairs().length;
    if (card.dataset.can.includes("c")) moving.column = Math.max(1, Math.min(column, last));
    if (card.dataset.can.includes("t")) moving.tick = Math.max(0, Math.min(tick, number(grid(), "--ticks") - QUARTER));
    ghost.style.cssText = `--c:${moving.column};--a:${moving.tick};--e:${Math.min(moving.tick + ticks, number(grid(), "--ticks"))}`;
    ghost.textContent = `${nameOf(card)}: ${reads(moving)}`;
  }

  function putDown() {
    const { card, ghost } = moving;
    ghost.remove();
    card.classList.remove("b-moving");
    moving = null;
    if (waiting) show(waiting);
    waiting = "";
  }

  function drop() {
    const { card, from, column, tick } = moving;
    const [was, then] = [reads(from), reads({ column, tick })];
    const fields = { appointment: card.id.slice(1), version: card.dataset.v, start: instant(tick) };
    const chair = chairs()[column - 1];
    if (chair && column <= chairs().length && card.dataset.can.includes("c")) fields.chair = chair.dataset.chair;
    const name = nameOf(card);
    putDown();
    if (was === then) return;
    const told = tick === from.tick ? "The time stays, so the patient is not written to." : "The patient is told the new time, and asked to confirm it.";
    const go = make("button", { type: "button", className: "b-answer", textContent: "Move", onclick: () => move(name, fields) });
    const change = make("dl", { className: "b-from-to" }, make("dt", { textContent: "From" }), make("dd", { textContent: was }), make("dt", { textContent: "To" }), make("dd", { textContent: then }));
    ask(`Move ${name}?`, [change, paragraph(told)], [go, close("Leave it where it is")]);
    go.focus();
  }

  async function move(name, fields) {
    dialog.close();
    const found = await send(board.dataset.move, fields);
    if (found.refused) {
      const { chair: _chair, ...without } = fields;
      refuse(found, `${name} was not moved`, (start) => move(name, { ...without, start }));
    } else pop(found.said);
    poll();
  }

  // Dragging by mouse or pen; a finger scrolls.
  let grip = null;
  body.addEventListener("dragstart", (event) => event.preventDefault());
  body.addEventListener("pointerdown", (event) => {
    const card = event.target.closest(".b-card[data-can]");
    if (!card || moving || phone.matches || event.button || event.pointerType === "touch" || event.target.closest("button")) return;
    const box = card.getBoundingClientRect();
    grip = { card, x: event.clientX, y: event.clientY, dy: event.clientY - box.top };
  });
  addEventListener("pointermove", (event) => {
    if (!grip) return;
    if (!moving) {
      if (Math.hypot(event.clientX - grip.x, event.clientY - grip.y) < 6) return;
      if (!grip.card.isConnected) return void (grip = null);
      pickUp(grip.card);
    }
    const { left, top, column, tick } = lines();
    const scroller = at("b-scroll");
    const box = scroller.getBoundingClientRect();
    if (event.clientX > box.right - 40) scroller.scrollLeft += 20;
    if (event.clientX < box.left + 90) scroller.scrollLeft -= 20;
    if (event.clientY > box.bottom - 40) scroller.scrollTop += 20;
    if (event.clientY < box.top + 60) scroller.scrollTop -= 20;
    place({
      column: Math.floor((event.clientX - left) / column) + 1,
      tick: Math.round((event.clientY - grip.dy - top) / tick / QUARTER) * QUARTER,
    });
  });
  addEventListener("pointerup", () => {
    if (grip && moving) {
      // The click that follows belongs to the drag.
      addEventListener("click", (event) => (event.preventDefault(), event.stopPropagation()), { capture: true, once: true });
      setTimeout(drop);
    }
    grip = null;
  });

  // --- keys ---------------------------------------------------------------------------------------------------
  const ARROWS = { ArrowUp: [0, -QUARTER], ArrowDown: [0, QUARTER], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open || help.open) return;
    if (moving) {
      if (event.key in ARROWS) {
        const [columns, ticks] = ARROWS[event.key];
        place({ column: moving.column + columns, tick: moving.tick + ticks });
        moving.ghost.scrollIntoView({ block: "nearest", inline: "nearest" });
        say.textContent = reads(moving);
      } else if (event.key === "Enter") drop();
      else if (event.key === "Escape") {
        putDown();
        say.textContent = "Left where it was.";
      } else return;
      event.preventDefault();
      return;
    }
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    const card = event.target.closest(".b-card");
    if (event.key === "m" && card) pickUp(card);
    else if (event.key === "t") at("b-today").click();
    else if (event.key === "?") help.showModal();
    else if (event.key === "ArrowLeft" && event.target.id !== "b-scroll") at("b-previous").click();
    else if (event.key === "ArrowRight" && event.target.id !== "b-scroll") at("b-next").click();
    else return;
    event.preventDefault();
  });
  at("b-help-open").addEventListener("click", () => help.showModal());

  const now = body.querySelector(".b-now");
  if (now && !phone.matches) at("b-scroll").scrollTop = now.offsetTop - at("b-scroll").clientHeight / 3;
  tell("Live", "live");
  timer = setTimeout(poll, EVERY);
})();
