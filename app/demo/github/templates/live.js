// Every two seconds, take what changed on the page; what a person is typing stays as it is.
"use strict";
const live = document.getElementById("live");
if (live) {
  let seen = live.innerHTML;
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href);
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      if (fresh && fresh.innerHTML !== seen) {
        seen = fresh.innerHTML;
        live.innerHTML = seen;
      }
    } catch {
      // The stand-in has gone; the page stays as it was last seen.
    }
  }, 2000);
}
