// Follows the studies of a page: after an event it fetches the page again and replaces the parts
// that have changed. Without this script, the page is static.
const live = document.getElementById("live");
const name = live.dataset.live;
let busy = false, again = false, version = Number(live.dataset.version);

async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (name && answer.status === 404) { removed(); return; }
    if (answer.ok && !answer.redirected) {
      replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
  } finally {
    busy = false;
    if (again) { again = false; setTimeout(refresh, 500); }
  }
}

function removed() {
  live.innerHTML = '<p role="alert">This study was removed.</p>';
  document.getElementById("actions").replaceChildren();
}

function replace(page) {
  const actions = page.getElementById("actions");
  const shown = document.getElementById("actions");
  if (actions && actions.outerHTML !== shown.outerHTML) { shown.replaceWith(actions); }
  const fresh = page.getElementById("live");
  version = Number(fresh.dataset.version);
  const parts = [...fresh.children], old = [...live.children];
  const same = parts.length === old.length && parts.every((part, i) => part.id && part.id === old[i].id);
  if (!same) { live.innerHTML = fresh.innerHTML; return; }
  parts.forEach((part, i) => {
    // What a reader has unfolded stays open.
    part.querySelectorAll("details[id]").forEach((one) => {
      one.open = document.getElementById(one.id)?.open ?? one.open;
    });
    if (part.outerHTML !== old[i].outerHTML) { old[i].replaceWith(part); }
  });
}

const query = name ? `?study=${encodeURIComponent(name)}` : "";
const events = new EventSource(`/api/v1/events${query}`);
let opened = false;
events.addEventListener("study", (event) => {
  // The first events tell the present state, which the page shows unless it changed meanwhile.
  if (JSON.parse(event.data).version > version) { refresh(); }
});
events.addEventListener("open", () => {
  // After a restart of the server, or a long sleep, the page may be old.
  if (opened) { refresh(); }
  opened = true;
});
events.addEventListener("error", () => {
  // A stream that was refused is not tried again: the study may have been removed.
  if (events.readyState === EventSource.CLOSED) { refresh(); }
});
addEventListener("pagehide", () => events.close());
