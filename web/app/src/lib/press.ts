// A long press: what a right click is to a mouse, for fingers.

const LONG_MS = 500;
const STILL_PX = 10;

/** Calls `open` when a finger rests in one place. */
export function longPress(event: PointerEvent, open: () => void): void {
  if (event.pointerType !== "touch") return;
  const stop = (): void => {
    clearTimeout(timer);
    window.removeEventListener("pointerup", stop);
    window.removeEventListener("pointercancel", stop);
    window.removeEventListener("pointermove", moved);
  };
  const moved = (to: PointerEvent): void => {
    if (Math.hypot(to.clientX - event.clientX, to.clientY - event.clientY) > STILL_PX) stop();
  };
  const timer = setTimeout(() => {
    stop();
    open();
  }, LONG_MS);
  window.addEventListener("pointerup", stop);
  window.addEventListener("pointercancel", stop);
  window.addEventListener("pointermove", moved);
}
