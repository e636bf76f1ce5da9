// The small part of a view library that this page needs: make elements, and keep a list of
// elements in step with a list of rows. Nothing is written to the page that has not changed, so
// focus, selection and scroll positions stay.

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, children = []) {
  return filled(document.createElement(name), attributes, children);
}

export function shape(name, attributes = {}, children = []) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  const text = String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

// One child of `parent` per row, found again by its key, in the order of the rows.
export function keepList(parent, rows, keyOf, make, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const row of rows) {
    const key = keyOf(row);
    let child = known.get(key);
    if (child === undefined) {
      child = make(row);
      child.dataset.key = key;
    }
    known.delete(key);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    update(child, row);
  }
  for (const child of known.values()) child.remove();
}
