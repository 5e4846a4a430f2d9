// The server's stream: the overview's figures each time they change, and whether it still flows.

const RETRY_SECONDS = [1, 2, 3, 5];
const SILENCE_SECONDS_MAX = 40;

/**
 * Follow a stream; `follow(path)` changes to another, `end()` ends it.
 * onSummary(summary); onState("live" | "lost" | "unclear"): unclear is a first refusal, of which a
 * browser does not tell whether it is about the question.
 */
export function liveStream({ onSummary, onState }) {
  let source = null;
  let current = null;
  let failures = 0;
  let retry = null;
  let watchdog = null;

  function connect() {
    source = new EventSource(current);
    source.addEventListener("error", lost);
    source.addEventListener("summary", (event) => {
      failures = 0;
      watch();
      onState("live");
      onSummary(JSON.parse(event.data));
    });
    watch();
  }

  function watch() {
    clearTimeout(watchdog);
    watchdog = setTimeout(lost, SILENCE_SECONDS_MAX * 1000);
  }

  function lost() {
    const refused = source.readyState === EventSource.CLOSED;
    close();
    onState(refused && failures === 0 ? "unclear" : "lost");
    const wait = RETRY_SECONDS[Math.min(failures, RETRY_SECONDS.length - 1)];
    failures += 1;
    retry = setTimeout(connect, wait * 1000);
  }

  function close() {
    source?.close();
    clearTimeout(watchdog);
    clearTimeout(retry);
  }

  return {
    follow(path) {
      if (path === current) return;
      current = path;
      close();
      connect();
    },
    end() {
      current = null;
      close();
    },
  };
}
