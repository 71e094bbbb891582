// The entry: styles, then the app. A broken start says so instead of showing nothing.
import "@fontsource-variable/atkinson-hyperlegible-mono/wght.css";
import "@fontsource-variable/atkinson-hyperlegible-next/wght.css";
import "./styles/tokens.css";
import "./styles/base.css";

import { mount } from "svelte";
import App from "./App.svelte";
import { watchMutes } from "./lib/mutes.ts";
import { app } from "./lib/state/app.svelte.ts";
import { registerWorker } from "./lib/worker.ts";

const target = document.getElementById("app");
if (target === null) throw new Error("the page has no place for the app");
mount(App, { target });
void app.start().then(watchMutes);
// After the first screen: installing must not stand in its way.
setTimeout(registerWorker, 3_000);
