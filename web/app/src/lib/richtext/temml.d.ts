// The part of temml that is used: its tree, from which our own elements are built. Its sources leave out chemistry.

declare module "temml/temml.js" {
  export interface TemmlNode {
    /** The element's name; text has none. */
    type?: string;
    text?: string;
    attributes?: Record<string, string>;
    style?: Record<string, string>;
    classes?: string[];
    children?: TemmlNode[];
  }

  export interface TemmlOptions {
    displayMode: boolean;
    throwOnError: boolean;
    trust: boolean;
    strict: boolean;
    maxSize: [number, number];
    maxExpand: number;
  }

  const temml: { __renderToMathMLTree(formula: string, options: TemmlOptions): TemmlNode };
  export default temml;
}
