// What a page must hold for people who read it by other means than eyes, and for weak eyes. Returns complaints.
() => {
  const complaints = [];
  const say = (text) => complaints.push(text);
  const shown = (node) => {
    const style = getComputedStyle(node);
    const box = node.getBoundingClientRect();
    return style.visibility !== "hidden" && style.display !== "none" && box.width > 1 && box.height > 1;
  };
  const name = (node) =>
    (node.getAttribute("aria-label") || node.textContent || "").trim() ||
    (node.getAttribute("aria-labelledby") || "").split(" ").map((id) => document.getElementById(id)?.textContent || "").join("");

  if (!document.documentElement.lang) say("no lang");
  for (const tag of ["main", "header", "h1", "title"]) {
    if (document.querySelectorAll(tag).length !== 1) say(`not one <${tag}>`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  if (new Set(ids).size !== ids.length) say("an id is there twice");
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) say(`heading "${heading.textContent}" skips a level`);
    if (!heading.textContent.trim()) say("an empty heading");
    level = next;
  }
  for (const node of document.querySelectorAll("a, button, section, article, [role]")) {
    if (node.getAttribute("role") !== "status" && !name(node)) say(`${node.outerHTML.slice(0, 80)} has no name`);
  }
  for (const node of document.querySelectorAll("[aria-labelledby]")) {
    if (!document.getElementById(node.getAttribute("aria-labelledby"))) say("aria-labelledby points nowhere");
  }
  for (const node of document.querySelectorAll("svg, img")) {
    if (node.getAttribute("aria-hidden") !== "true" && !name(node)) say("a picture without a name");
  }
  for (const list of document.querySelectorAll("ul, ol")) {
    for (const child of list.children) if (child.tagName !== "LI") say("a list with something that is no item");
  }
  for (const link of document.querySelectorAll("a:not(.skip)")) {
    const box = link.getBoundingClientRect();
    if (shown(link) && (box.height < 24 || box.width < 24)) say(`"${link.textContent}" is a small target: ${box.height}`);
  }

  const channel = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const rgb = (text) => text.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const worst = { ratio: 99, text: "" };
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !shown(node)) continue;
    const [dark, bright] = [light(rgb(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => a - b);
    const ratio = (bright + 0.05) / (dark + 0.05);
    if (ratio < worst.ratio) Object.assign(worst, { ratio, text: walker.currentNode.textContent.trim() });
    if (parseFloat(getComputedStyle(node).fontSize) < 13) say(`"${walker.currentNode.textContent.trim()}" is too small`);
  }
  if (worst.ratio < 4.5) say(`"${worst.text}" has a contrast of ${worst.ratio.toFixed(2)}`);
  return complaints;
}
