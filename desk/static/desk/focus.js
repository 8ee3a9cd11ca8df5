// Puts the cursor where a page wants it. Chromium gives autofocus up, for good, when the page is drawn before the field
// can take it; on a busy machine it happened to two pages of twelve, and whoever works by keyboard types into nothing.
"use strict";

window.addEventListener("load", () => {
  if (document.activeElement === document.body) document.querySelector("[autofocus]")?.focus();
});
