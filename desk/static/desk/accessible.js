// What the admin's libraries leave out: names of choices for those who hear a page, and colours of charts in the dark.
"use strict";

(() => {
  function name(select) {
    const box = select.nextElementSibling?.querySelector(".select2-selection");
    const shown = box?.querySelector(".select2-selection__rendered");
    if (!shown) return;
    shown.removeAttribute("role"); // it is no field, but what the field shows
    shown.removeAttribute("aria-readonly");
    const label = select.labels && select.labels[0];
    if (label && shown.id) {
      label.id = label.id || `label-of-${select.id}`;
      box.setAttribute("aria-labelledby", `${label.id} ${shown.id}`);
    } else if (select.hasAttribute("aria-label")) {
      box.removeAttribute("aria-labelledby");
      box.setAttribute("aria-label", select.getAttribute("aria-label"));
    }
  }

  function look() {
    document.querySelectorAll("select.select2-hidden-accessible").forEach(name);
    document.querySelectorAll("span.help-tooltip[aria-label]").forEach((span) => span.setAttribute("role", "img"));
  }

  function colour() {
    const colour = document.documentElement.classList.contains("dark") ? "#d1d5db" : "#4b5563";
    document.querySelectorAll("canvas.chart").forEach((canvas) => {
      const chart = window.Chart && window.Chart.getChart(canvas);
      if (!chart) return;
      chart.options.plugins.legend.labels.color = colour;
      for (const axis of Object.values(chart.options.scales)) axis.ticks.color = colour;
      chart.update();
    });
  }

  window.addEventListener("load", () => {
    look();
    colour();
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
    new MutationObserver(colour).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  });
})();
