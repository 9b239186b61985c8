// Replaces the live part of the page whenever the console sends it, and says when it is stale.
(() => {
  const live = document.getElementById("live");
  const stale = document.getElementById("stale");
  if (!live) return;
  const say = (text) => {
    stale.textContent = text;
    stale.hidden = !text;
  };
  const replace = (html) => {
    const open = new Set(
      [...live.querySelectorAll("details[open]")].map((one) => one.dataset.name));
    const scrolled = [...live.querySelectorAll("[data-scroll]")].map((one) => one.scrollTop);
    const focused = document.activeElement && document.activeElement.id;
    live.innerHTML = html;
    live.querySelectorAll("details").forEach((one) => { one.open = open.has(one.dataset.name); });
    live.querySelectorAll("[data-scroll]").forEach((one, at) => { one.scrollTop = scrolled[at] || 0; });
    if (focused) document.getElementById(focused)?.focus();
  };
  const source = new EventSource(live.dataset.events);
  source.addEventListener("page", (event) => replace(JSON.parse(event.data)));
  source.addEventListener("stale", (event) => say(JSON.parse(event.data)));
  source.addEventListener("end", () => source.close());
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) say("The console does not answer. Is it still running?");
  };
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button) return;
    if (button.dataset.sent) event.preventDefault();
    button.dataset.sent = "yes";
    button.setAttribute("aria-disabled", "true");
  });
})();
