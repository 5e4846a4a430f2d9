// When a view is asked for new figures: never twice at once, and no more often than it is worth.

/**
 * run() does one refresh. `now()` starts one; `soon(seconds)` one that long after the last.
 */
export function refreshing(run) {
  let running = null;
  let again = false;
  let last = -Infinity;
  let timer = null;
  let due = Infinity;

  async function now() {
    unset();
    if (running) {
      again = true;
      return running;
    }
    running = run();
    try {
      await running;
    } finally {
      running = null;
      last = performance.now();
    }
    if (again) {
      again = false;
      return now();
    }
    return undefined;
  }

  function soon(seconds) {
    const wanted = Math.max(performance.now(), last + seconds * 1000);
    if (wanted >= due) return;
    unset();
    due = wanted;
    timer = setTimeout(now, wanted - performance.now());
  }

  function unset() {
    clearTimeout(timer);
    due = Infinity;
  }

  return { now, soon };
}
