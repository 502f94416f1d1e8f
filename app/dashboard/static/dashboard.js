// Keeps a page up to date: when the service says that something happened, the page is asked for again, and what is
// different in it is put in place. The server writes all HTML, and escapes it; nothing is written here.
"use strict";

const body = document.body;
const task = body.dataset.task;
const ahead = Date.now() - Number(body.dataset.now); // this clock against the server's
const PAUSE = 300; // between two looks, however much happens
const LONGEST_WAIT = 15000; // between two attempts to connect
const SMALL = new Set(["AgentSaid", "ToolUsed", "AgentStarted", "InstructionTaken"]); // and many: no list shows them
const POLL = 3000; // where nobody tells us that something happened
const FOLLOW = 2000; // a transcript also grows between events

let after = Number(body.dataset.after);
let attempts = 0;
let looking = false;
let again = false;
const shown = new Map(); // by id, as the server last wrote it

const parts = () => document.querySelectorAll("[data-live]");
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function duration(milliseconds) {
  const whole = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (!minutes) return `${whole} s`;
  return minutes < 60 ? `${minutes} min ${two(whole % 60)} s` : `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

function tick() {
  for (const one of document.querySelectorAll("time[data-since]")) {
    one.textContent = duration(Date.now() - ahead - Number(one.dataset.since));
  }
  for (const one of document.querySelectorAll("time[data-moment]")) {
    const moment = new Date(Number(one.dataset.moment));
    one.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  }
}

function say(words) {
  const link = document.getElementById("link");
  link.textContent = words;
  link.hidden = !words;
}

function put(fresh) {
  document.title = fresh.title;
  for (const old of parts()) {
    const next = fresh.getElementById(old.id);
    if (!next || shown.get(old.id) === next.outerHTML) continue;
    shown.set(old.id, next.outerHTML);
    const field = old.querySelector("textarea");
    const typed = field && field.value;
    const focused = field && field === document.activeElement;
    old.replaceWith(document.adoptNode(next));
    const kept = next.querySelector("textarea");
    if (kept && typed) kept.value = typed;
    if (kept && focused) kept.focus();
  }
  tick();
}

// What the service answers, or null where it is away: the socket says so, and looks again when it is back.
async function asked(path) {
  try {
    const answer = await fetch(path);
    return { ok: answer.ok, status: answer.status, next: answer.headers.get("X-Next"), text: await answer.text() };
  } catch {
    return null;
  }
}

async function look() {
  if (looking) {
    again = true;
    return;
  }
  looking = true;
  do {
    again = false;
    const answer = await asked(body.dataset.path);
    if (answer?.status === 401 || answer?.status === 404) return location.reload(); // not for us any more
    if (answer?.ok) put(new DOMParser().parseFromString(answer.text, "text/html"));
    if (task) follow();
    await pause(PAUSE);
  } while (again);
  looking = false;
}

function listen() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/api/live?after=${after}${task ? `&task=${task}` : ""}`);
  socket.onopen = () => {
    attempts = 0;
    say("");
  };
  socket.onmessage = (message) => {
    const event = JSON.parse(message.data);
    after = event.id;
    if (!document.hidden && (task || !SMALL.has(event.kind))) look();
  };
  socket.onclose = async () => {
    say("reconnecting …");
    await pause(Math.min(LONGEST_WAIT, 500 * 2 ** attempts++));
    look(); // who is signed out learns it here
    listen();
  };
}

// The transcript and the diff are long, so they are not part of the page: the one is added to, the other exchanged.

let run = null;
let mark = null;
let following = false;
let sha = "";

async function follow() {
  const facts = document.getElementById("runs").dataset;
  if (facts.sha !== sha) changes(facts.sha);
  if (following) return;
  following = true;
  const screen = document.getElementById("transcript");
  if (facts.run !== run) {
    [run, mark] = [facts.run, ""];
    screen.replaceChildren();
  }
  while (mark !== null) {
    const answer = await asked(screen.dataset.src + (mark && `?after=${mark}`));
    if (!answer?.ok) break;
    const atEnd = screen.scrollTop + screen.clientHeight > screen.scrollHeight - 40;
    screen.insertAdjacentHTML("beforeend", answer.text);
    if (atEnd) screen.scrollTop = screen.scrollHeight;
    if (!answer.text && answer.next === mark) break;
    mark = answer.next;
  }
  following = false;
}

async function changes(wanted) {
  sha = wanted;
  const place = document.getElementById("diff");
  const answer = await asked(place.dataset.src);
  if (!answer) sha = ""; // to be asked for again
  if (!answer?.ok) return;
  place.replaceChildren();
  place.insertAdjacentHTML("beforeend", answer.text);
  document.getElementById("changes").hidden = false;
}

for (const one of parts()) shown.set(one.id, one.outerHTML);
tick();
setInterval(tick, 1000);
if (body.dataset.polls) setInterval(() => document.hidden || looking || look(), POLL);
else listen();
document.addEventListener("visibilitychange", () => document.hidden || look());
if (task) {
  follow();
  setInterval(() => {
    if (!document.hidden && document.getElementById("runs").dataset.active) follow();
  }, FOLLOW);
}
