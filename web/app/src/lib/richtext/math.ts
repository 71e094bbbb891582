// A formula in TeX → MathML elements, built one by one from a list of what may stand in them (no markup, no style attribute).

import temml, { type TemmlNode } from "temml/temml.js";

const MATHML = "http://www.w3.org/1998/Math/MathML";
const MAX_NODES = 4_000;
const MAX_LEVELS = 60;

const ELEMENTS = new Set(
  (
    "math menclose mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace msqrt mstyle msub " +
    "msubsup msup mtable mtd mtext mtr munder munderover none"
  ).split(" "),
);
const ATTRIBUTES = new Set(
  (
    "accent accentunder columnalign columnlines columnspacing depth display displaystyle fence form height largeop " +
    "linethickness lspace mathsize mathvariant maxsize minsize movablelimits notation rowlines " +
    "rowspacing rspace scriptlevel separator stretchy symmetric voffset width"
  ).split(" "),
);
const STYLES = new Set(
  (
    "border border-bottom border-left border-right border-top display font-family font-size font-style font-weight " +
    "height justify-content margin-left margin-right math-depth padding padding-bottom padding-left padding-right " +
    "padding-top text-align transform vertical-align width"
  ).split(" "),
);
/** A value that loads nothing and computes nothing but turns. */
const STYLE_VALUE = /^[\w\s#%.,'"+-]*$|^(?:scale|rotate|translate)\([\w\s%.,+-]*\)$/;
const CLASS = /^[\w-]+$/;

/** The formula, or nothing where it cannot be read; then its source stays. */
export function typeset(formula: string, isBlock: boolean): Element | undefined {
  try {
    const tree = temml.__renderToMathMLTree(formula, {
      displayMode: isBlock,
      throwOnError: true,
      trust: false,
      strict: false,
      maxSize: [20, 20],
      maxExpand: 200,
    });
    const builder = new Builder();
    const found = builder.node(tree, 0);
    return found instanceof Element ? found : undefined;
  } catch {
    // A formula half written or too large is a common thing to send, and its source says what was meant.
    return undefined;
  }
}

class Builder {
  #left = MAX_NODES;

  node(from: TemmlNode, level: number): Node {
    this.#left -= 1;
    if (this.#left < 0 || level > MAX_LEVELS) throw new RangeError("formula too large");
    if (from.text !== undefined) return document.createTextNode(from.text);
    const name = from.type ?? "mrow";
    // What is not on the list keeps its content: a link, for one, becomes its text.
    const element = document.createElementNS(MATHML, ELEMENTS.has(name) ? name : "mrow") as MathMLElement;
    for (const [key, value] of Object.entries(from.attributes ?? {})) {
      if (key === "style") styleFrom(element, value);
      // Colours stay those of the page, in which everything can be read; a rule is drawn in the ink around it.
      else if (key === "mathbackground" && name === "mspace") element.style.setProperty("background-color", "currentColor");
      else if (ATTRIBUTES.has(key)) element.setAttribute(key, String(value));
    }
    for (const [key, value] of Object.entries(from.style ?? {})) setStyle(element, key, value);
    const classes = (from.classes ?? []).filter((word) => CLASS.test(word));
    if (classes.length > 0) element.classList.add(...classes);
    for (const child of from.children ?? []) element.append(this.node(child, level + 1));
    return element;
  }
}

/** Declarations as text: set one by one, as the policy allows no style attribute. */
function styleFrom(element: MathMLElement, text: string): void {
  for (const declaration of text.split(";")) {
    const colon = declaration.indexOf(":");
    if (colon > 0) setStyle(element, declaration.slice(0, colon), declaration.slice(colon + 1));
  }
}

function setStyle(element: MathMLElement, key: string, value: string): void {
  const property = key.trim().replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const wanted = String(value).trim();
  if (STYLES.has(property) && STYLE_VALUE.test(wanted)) element.style.setProperty(property, wanted);
}
