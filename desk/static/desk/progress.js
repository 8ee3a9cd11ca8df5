// Moves the bar of desk/progress.html: asks for the next piece, or for how far it is, until there is something to see.
"use strict";

(() => {
  const form = document.getElementById("work-progress");
  if (!form) return;
  const button = form.querySelector("button");
  const bar = form.querySelector("progress");
  const text = form.querySelector("[role=status]");
  const asks = form.method === "post";
  if (asks && !button) return; // another user's import
  if (button) button.hidden = true;

  const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

  async function ask() {
    const request = { method: form.method.toUpperCase(), headers: { Accept: "application/json" } };
    if (asks) request.body = new FormData(form);
    const answer = await fetch(form.action, request);
    if (!answer.ok) throw new Error(answer.status);
    return answer.json();
  }

  async function run() {
    const state = form.dataset.state;
    let failures = 0;
    for (;;) {
      try {
        const progress = await ask();
        failures = 0;
        bar.max = progress.total;
        bar.value = progress.done;
        text.textContent = progress.text;
        if (progress.state !== state || progress.stalled) break;
      } catch (error) {
        failures += 1;
        if (failures === 5) {
          text.textContent = "The service does not answer. Reload this page in a moment.";
          if (button) button.hidden = false;
          return;
        }
        await wait(1000);
      }
      await wait(Number(form.dataset.wait));
    }
    location.reload();
  }

  run();
})();
