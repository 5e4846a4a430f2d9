// What makes a part of a drawing a button that filters by its name.

import { REST } from "./palette.js";

/** The attributes of a part; one that stands for many names cannot be chosen. */
export function pickable({ name, text, share }, onPick) {
  const words = `${name}: ${text}, ${share}`;
  if (name === REST) return { role: "img", "aria-label": words };
  const pick = () => onPick(name);
  return {
    role: "button",
    "data-key": name,
    tabindex: "0",
    "aria-label": `Filter by ${words}`,
    on: {
      click: pick,
      keydown: (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        pick();
      },
    },
  };
}
