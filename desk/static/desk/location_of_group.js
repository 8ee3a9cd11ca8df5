// For a new device: offers the locations of the group that is chosen in the same form, and none before.
"use strict";

window.addEventListener("load", () => {
  const $ = window.django && window.django.jQuery;
  const group = document.querySelector("#device_form select#id_group");
  const location = document.getElementById("id_location");
  if (!$ || !group || !location) return;
  const address = new URL(location.getAttribute("data-ajax--url"), document.baseURI);

  function offer() {
    address.searchParams.set("group", group.value);
    location.setAttribute("data-ajax--url", address.pathname + address.search);
    const field = $(location);
    if (field.hasClass("select2-hidden-accessible")) field.select2("destroy");
    field.removeData().djangoAdminSelect2();  // what jQuery remembers of the old address goes, too
  }

  $(group).on("change", () => {
    $(location).val(null).trigger("change");
    offer();
  });
  offer();
});
