// From the API's answers to what the views take. Exact decimals stay beside their numbers.

const seconds = (text) => Date.parse(text) / 1000;
const fromMs = (milliseconds) => (milliseconds === null || milliseconds === undefined ? null : milliseconds / 1000);

const KIND_NAMES = {
  input: "input",
  cache_read: "cache read",
  cache_write_5m: "cache write, 5 min",
  cache_write_1h: "cache write, 1 h",
  output: "output",
  reasoning: "reasoning",
  audio_input: "audio input",
  audio_output: "audio output",
  image_input: "image input",
  image_output: "image output",
};

/** The panels' definition; what JSON leaves out as usual is filled in. */
export function panelsOf(answer) {
  const panels = answer.panels.map((panel) => ({ split_by: [], lines: [], thresholds: [], idle: "zero", ...panel }));
  return { panels, timeZone: answer.time_zone ?? "UTC" };
}

/** A series' answer with moments in seconds. */
export function seriesOf(answer) {
  return {
    from: seconds(answer.from),
    to: Math.min(seconds(answer.to), Math.max(Date.now() / 1000, seconds(answer.from) + 1)),
    step: answer.step_seconds,
    times: answer.times.map(seconds),
    series: answer.series,
  };
}

/** Moments with a kind and a title. */
export function marksOf(answer) {
  return answer.marks.map((mark) => ({ at: seconds(mark.at), kind: mark.kind, title: mark.kind === "deployment" ? `Deployment ${mark.text}` : mark.text }));
}

/** A total, and a row a group. */
export function breakdownOf(answer) {
  const rows = answer.other ? [...answer.rows, answer.other] : answer.rows;
  return { total: usageOf(answer.total), rows: rows.map(usageOf) };
}

/** A page of calls, and the place of the next. */
export function callsOf(answer) {
  return { calls: answer.calls.map(callOf), next: answer.next };
}

/** One call with its attempts and its price. */
export function callDetailOf(answer) {
  const call = {
    ...callOf(answer),
    key: answer.key_id,
    providerRequestId: answer.provider_request_id,
    modelAnswered: answer.model_answered,
    note: answer.note,
  };
  return {
    call,
    lines: linesOf(answer),
    source: sourceOf(answer),
    attempts: answer.attempts.map((attempt, i) => ({ ...callOf(attempt), attempt: i })),
    corrections: answer.corrections.map((one) => ({
      at: seconds(one.at),
      before: one.cost_before_usd,
      after: one.cost_after_usd,
      reason: one.reason,
    })),
  };
}

function usageOf(row) {
  return {
    name: row.name,
    calls: row.calls,
    errors: row.errors,
    errorRate: row.error_rate,
    cacheHitRate: row.cache_hit_rate,
    tokens: row.tokens,
    cost: Number(row.cost_usd),
    costExact: row.cost_usd,
    share: row.share ?? null,
    p50: fromMs(row.latency?.p50_ms),
    p99: fromMs(row.latency?.p99_ms),
    growth: row.change?.cost ?? null,
  };
}

function callOf(row) {
  return {
    id: row.id,
    startedAt: seconds(row.started_at),
    startedAtText: row.started_at,
    agent: row.agent,
    team: row.team,
    tenant: row.tenant,
    provider: row.provider,
    operation: row.operation,
    model: row.model,
    streamed: row.streamed,
    status: row.status,
    error_type: row.error_type,
    httpStatus: row.http_status,
    duration: fromMs(row.duration_ms),
    firstToken: fromMs(row.time_to_first_token_ms),
    tokens: row.tokens,
    cost: row.cost_usd,
    costState: row.cost_state,
    cached: row.cached,
    saved: row.cost_saved_usd,
  };
}

/** Priced lines; without a price the tokens alone; what is no line's own comes last. */
function linesOf(answer) {
  const priced = answer.cost_lines.map((line) => ({
    name: KIND_NAMES[line.kind] ?? line.kind,
    tokens: line.tokens,
    rate: line.usd_per_million,
    cost: line.cost_usd,
  }));
  const lines =
    priced.length > 0
      ? priced
      : Object.entries(answer.tokens_by_kind)
          .filter(([, tokens]) => tokens > 0)
          .map(([kind, tokens]) => ({ name: KIND_NAMES[kind] ?? kind, tokens, rate: null, cost: null }));
  if (Number(answer.cost_rest_usd) !== 0 && priced.length > 0) {
    lines.push({ name: "fees, tiers and corrections", tokens: null, rate: null, cost: answer.cost_rest_usd });
  }
  return lines;
}

function sourceOf(answer) {
  if (answer.cached) return "Answered from the cache: no tokens were bought.";
  if (answer.price_source === null) return "No price is known for this model; its cost stands at $0.00 until it is priced.";
  return `Price of ${answer.priced_model}: ${answer.price_source}`;
}

/** The budgets' standing, in the order of their definition. */
export function budgetsOf(answer) {
  return answer.budgets.map((budget) => ({
    name: budget.name,
    scope: budget.scope,
    window: budget.window,
    unit: budget.unit,
    limit: Number(budget.limit),
    settled: Number(budget.settled),
    reserved: Number(budget.reserved),
    forecast: budget.forecast === null ? null : Number(budget.forecast),
    resetsAt: budget.resets_at === null ? null : seconds(budget.resets_at),
    atLimit: budget.at_limit,
    thresholds: budget.thresholds,
    spenders: budget.spenders.map((one) => ({ name: one.name, value: Number(one.amount) })),
  }));
}

/** Advice, the largest saving first. */
export function adviceOf(answer) {
  return { advice: answer.advice, basis: "" };
}
