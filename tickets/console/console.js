// Brings the live part of a page up to date, and says when it is stale. Without it, pages are static.
(() => {
  const live = document.getElementById("live");
  const stale = document.getElementById("stale");

  const say = (text) => {
    if (stale.textContent !== text) stale.textContent = text;
    stale.hidden = !text;
  };

  // Changes only what differs, so that focus, selection, scroll positions and open details stay.
  const update = (old, now) => {
    if (old.isEqualNode(now)) return;
    if (old.nodeName !== now.nodeName || old.nodeType !== Node.ELEMENT_NODE) {
      old.replaceWith(now);
      return;
    }
    const keeps = (name) => name === "open" && old.nodeName === "DETAILS";
    for (const { name } of [...old.attributes])
      if (!now.hasAttribute(name) && !keeps(name)) old.removeAttribute(name);
    for (const { name, value } of now.attributes)
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const keyed = new Map([...old.children].filter((one) => one.dataset.key).map((one) => [one.dataset.key, one]));
    let at = old.firstChild;
    for (const child of [...now.childNodes]) {
      const own = child.dataset?.key ? keyed.get(child.dataset.key) : at;
      if (!own) {
        old.insertBefore(child, at);
        continue;
      }
      if (own === at) at = at.nextSibling;
      else old.insertBefore(own, at);
      update(own, child);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  };

  if (live.dataset.events) {
    const source = new EventSource(live.dataset.events);
    source.addEventListener("page", (event) => {
      const { title, html } = JSON.parse(event.data);
      const now = live.cloneNode(false);
      now.innerHTML = html;
      update(live, now);
      document.title = `${title} - tickets console`;
    });
    source.addEventListener("stale", (event) => say(JSON.parse(event.data)));
    source.addEventListener("end", () => {
      source.close();
      say("");
    });
    source.onopen = () => say("");
    source.onerror = () => say("Stale: the console does not answer. Is it still running?");
  }

  // The box of a cause checks those of its loads.
  document.addEventListener("change", (event) => {
    const boxes = event.target.closest(".cause")?.querySelectorAll("input[name=execution]") ?? [];
    const all = [...boxes].find((box) => "all" in box.dataset);
    if (!all) return;
    const others = [...boxes].filter((box) => box !== all);
    if (event.target === all) others.forEach((box) => { box.checked = all.checked; });
    else all.checked = others.every((box) => box.checked);
  });

  // A form is sent once, although its button is clicked twice.
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
    event.submitter?.setAttribute("aria-disabled", "true");
  });
  window.addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => {
      delete form.dataset.sent;
      form.querySelectorAll("[aria-disabled]").forEach((one) => one.removeAttribute("aria-disabled"));
    });
  });
})();
