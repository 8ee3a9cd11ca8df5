// Does the pieces of a selection one after the other, and moves the progress bar. Without it the button does each.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("next-piece");
  if (!form) return;
  const button = form.querySelector("button");
  const progress = document.getElementById("progress");
  const soFar = document.getElementById("so-far");
  const problem = document.getElementById("problem");

  async function nextPiece() {
    const answer = await fetch(location.href, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new FormData(form),
    });
    if (!(answer.headers.get("Content-Type") || "").startsWith("application/json")) {
      throw new Error("The page does not answer as it should. You may have to log in again.");
    }
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.description);
    return told;
  }

  async function goOn() {
    button.disabled = true;
    button.textContent = "Working…";
    problem.textContent = "";
    try {
      let told;
      do {
        told = await nextPiece();
        progress.value = told.done + told.left_alone;
        soFar.textContent = `${told.done.toLocaleString("en")} so far`;
      } while (!told.finished);
      location.reload();
    } catch (error) {
      problem.textContent = `Stopped. ${error.message}`;
      button.disabled = false;
      button.textContent = "Go on";
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    goOn();
  });
  goOn();
});
