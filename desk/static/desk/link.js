// The secret of a mailed link stands behind the # of the address, which is not sent and not logged: into the form.
"use strict";

function takeLink() {
  if (location.hash.length > 1) {
    document.querySelector("input[name=link]").value = location.hash.slice(1);
    history.replaceState(null, "", location.pathname);
  }
}

takeLink();
window.addEventListener("hashchange", takeLink);
