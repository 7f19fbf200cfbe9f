// Warns one minute before the idle logoff, and comes back to this page after signing in again.
// The server alone knows when that is: it is asked, so that activity in another window counts too.
(() => {
  const told = new URL(document.currentScript.src).searchParams;
  if (!told.has("seconds")) return;
  const WARNING_SECONDS = 60;
  const ASK_AGAIN_MS = 60_000; // typing keeps one signed in, told at most so often
  const total = Number(told.get("seconds"));
  const dialog = document.createElement("dialog");
  let timer;
  let toldAt = Date.now();
  let turn = 0; // so that an answer from before somebody stayed does not warn them again

  const again = (seconds) => {
    clearTimeout(timer);
    timer = setTimeout(look, Math.max(1, seconds) * 1000);
  };

  // Left for the sign-in page by loading this page again: it leads there, and back.
  const leave = () => location.reload();

  async function look() {
    const mine = ++turn;
    let seconds;
    try {
      const answer = await fetch(told.get("state"), { headers: { "X-Onset-Poll": "1" }, redirect: "manual" });
      if (!answer.ok) return leave();
      ({ seconds } = await answer.json());
    } catch {
      return again(10); // no network: the server will judge when it is back
    }
    if (mine !== turn) return undefined;
    if (seconds > WARNING_SECONDS) {
      if (dialog.open) dialog.close();
      return again(seconds - WARNING_SECONDS);
    }
    if (!dialog.open) dialog.showModal();
    return again(Math.min(seconds + 1, 15));
  }

  async function stay() {
    toldAt = Date.now();
    turn += 1;
    const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
    try {
      const answer = await fetch(told.get("stay"), {
        method: "POST",
        headers: { "X-CSRFToken": token },
        redirect: "manual",
      });
      if (!answer.ok) return leave();
    } catch {
      return again(10);
    }
    if (dialog.open) dialog.close();
    return again(total - WARNING_SECONDS);
  }

  document.addEventListener("DOMContentLoaded", () => {
    dialog.className = "onset-idle";
    dialog.setAttribute("aria-labelledby", "onset-idle-title");
    dialog.innerHTML =
      '<h2 id="onset-idle-title">Still there?</h2>' +
      "<p>You will be signed out in about a minute. What is not saved on this page is lost then.</p>" +
      "<button type=button autofocus>Stay signed in</button>";
    document.body.append(dialog);
    dialog.querySelector("button").addEventListener("click", stay);
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); stay(); });
    for (const sign of ["keydown", "pointerdown"]) {
      document.addEventListener(sign, () => {
        if (!dialog.open && Date.now() - toldAt > ASK_AGAIN_MS) stay();
      });
    }
    again(total - WARNING_SECONDS);
  });
})();
