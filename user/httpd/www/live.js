"use strict";

// Asks for the figures once a second and draws the last minute of frames per second.
const seconds = 60;
const received = [], sent = [];
let before = null;

const show = (id, text) => { document.getElementById(id).textContent = text; };
const bytes = n => n < 10240 ? `${n} B` : n < 10485760 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / 1048576).toFixed(1)} MiB`;
const count = n => n.toLocaleString("en");
const span = s => s < 120 ? `${s} s` : s < 7200 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;

function draw(id, values, top) {
  const points = values.map((v, i) => `${(i * 600 / (seconds - 1)).toFixed(1)},${(116 - v * 112 / top).toFixed(1)}`);
  document.getElementById(id).setAttribute("points", points.join(" "));
}

function rates(now) {
  if (before && now.uptime_ms > before.uptime_ms) {
    const s = (now.uptime_ms - before.uptime_ms) / 1000;
    for (const [list, key] of [[received, "received_frames"], [sent, "sent_frames"]]) {
      list.push((now[key] - before[key]) / s);
      if (list.length > seconds) list.shift();
    }
    const top = Math.max(10, ...received, ...sent);
    draw("received-line", received, top);
    draw("sent-line", sent, top);
    show("received-rate", received.at(-1).toFixed(0));
    show("sent-rate", sent.at(-1).toFixed(0));
  }
  before = now;
}

async function look() {
  try {
    const now = await (await fetch("/info.json", { cache: "no-store" })).json();
    for (const id of ["address", "gateway", "mac", "mtu", "cpus", "processes"]) show(id, now[id]);
    show("lease", now.lease_s === null ? "static" : span(now.lease_s));
    show("received", `${count(now.received_frames)} frames, ${bytes(now.received_bytes)}`);
    show("sent", `${count(now.sent_frames)} frames, ${bytes(now.sent_bytes)}`);
    show("discarded", `${count(now.discarded)} frames`);
    show("sockets", `${now.tcp_sockets} TCP, ${now.udp_sockets} UDP`);
    show("requests", count(now.requests));
    show("uptime", span(Math.floor(now.uptime_ms / 1000)));
    show("memory", `${bytes(now.memory_used)} of ${bytes(now.memory_total)}`);
    show("syscalls", count(now.syscalls));
    rates(now);
    document.body.classList.remove("lost");
    document.body.dataset.live = "yes";
  } catch {
    document.body.classList.add("lost");
  }
}

look();
setInterval(look, 1000);
