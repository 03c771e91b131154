// Live refresh, sorting, copying and keys; every page works without it.
const root = document.documentElement;

// A request for a document parses HTML without running anything, where a parser of text would
// need a policy for trusted types.
const load = (url) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", url);
    request.responseType = "document";
    request.setRequestHeader("accept", "text/html");
    request.onload = () =>
      request.status === 200 && request.response ? resolve(request.response) : reject();
    request.onerror = reject;
    request.send();
  });

// What asks before it does something opens over the page; its forms are sent as they are there.
const fill = (dialog, page) => {
  const main = page.querySelector("main");
  for (const part of main.querySelectorAll(".crumbs, .tabs")) part.remove();
  const close = document.createElement("button");
  close.type = "button";
  close.className = "close";
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.replaceChildren(close, ...[...main.childNodes].map((part) => document.importNode(part, true)));
  dialog.setAttribute("aria-label", dialog.querySelector("h1")?.textContent ?? "Question");
  for (const link of dialog.querySelectorAll("p > a.button")) {
    if (link.textContent === "Cancel" || link.textContent === "Back") {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        dialog.close();
      });
    }
  }
  for (const form of dialog.querySelectorAll("form:not([method=post])")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const query = new URLSearchParams(new FormData(form));
      const url = `${form.getAttribute("action")}?${query}`;
      load(url).then((answer) => fill(dialog, answer), () => location.assign(url));
    });
  }
};
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-dialog]");
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  if (!link || !plain || !window.HTMLDialogElement) return;
  event.preventDefault();
  load(link.href).then(
    (page) => {
      const dialog = document.createElement("dialog");
      fill(dialog, page);
      dialog.addEventListener("close", () => {
        dialog.remove();
        link.focus();
      });
      document.body.append(dialog);
      dialog.showModal();
    },
    () => location.assign(link.href),
  );
});

document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const field = document.querySelector("input[type=search]");
    if (field) {
      event.preventDefault();
      field.focus();
      field.select();
    }
  }
});

const giveCopyButtons = (part) => {
  if (!navigator.clipboard) return;
  for (const command of part.querySelectorAll(".command[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(command.dataset.copy);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
    command.append(button);
  }
};
giveCopyButtons(document);

const sortKey = (cell) => cell.dataset.sort ?? cell.textContent.trim();
const compare = (a, b) => {
  const [x, y] = [Number(a), Number(b)];
  const numbers = a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y);
  return numbers ? x - y : a.localeCompare(b, "en", { numeric: true });
};
for (const table of document.querySelectorAll("table[data-sortable]")) {
  table.tHead.rows[0].querySelectorAll("th").forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => compare(sortKey(a.cells[column]), sortKey(b.cells[column])));
      table.tBodies[0].append(...(down ? rows.reverse() : rows));
    });
    head.append(button);
  });
}

// One open connection for a page that is looked at: browsers allow six for a host.
const events = document.body.dataset.events;
const renew = (here, part) => {
  const [written, field] = [here, part].map((one) => one.querySelector("textarea"));
  const typing = written && written === document.activeElement;
  const { value, selectionStart, selectionEnd } = written ?? {};
  giveCopyButtons(part);
  here.replaceWith(part);
  if (!written || !field) return;
  field.value = value;
  if (!typing) return;
  field.focus();
  field.setSelectionRange(selectionStart, selectionEnd);
};
if (events && window.EventSource) {
  let source = null;
  const refresh = async () => {
    const page = await load(location.href).catch(() => null);
    for (const part of page?.querySelectorAll("[data-live]") ?? []) {
      const here = document.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
      if (here) renew(here, document.importNode(part, true));
    }
  };
  const follow = () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source) {
      source = new EventSource(events);
      for (const name of document.body.dataset.names.split(" ")) {
        source.addEventListener(name, refresh);
      }
    }
  };
  document.addEventListener("visibilitychange", follow);
  follow();
}
for (const here of document.querySelectorAll(".top nav [aria-current], .tabs [aria-current]")) {
  const row = here.parentElement;
  row.scrollLeft = here.offsetLeft - row.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
}
root.classList.add("js");
