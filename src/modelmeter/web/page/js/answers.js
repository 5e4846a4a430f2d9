// From the API's answers to what the views take. Exact decimals stay beside their numbers.

const seconds = (text) => Date.parse(text) / 1000;
const fromMs = (milliseconds) =>
  milliseconds === null || milliseconds === undefined ? null : milliseconds / 1000;

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
  const panels = answer.panels.map((panel) => ({
    split_by: [],
    lines: [],
    thresholds: [],
    idle: "zero",
    ...panel,
  }));
  return { panels, timeZone: answer.time_zone, tenant: answer.tenant, signedIn: answer.signed_in };
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
  return answer.marks.map((mark) => ({
    at: seconds(mark.at),
    from: seconds(mark.first_at),
    count: mark.count,
    kind: mark.kind,
    title: mark.kind === "deployment" ? `Deployment ${mark.text}` : mark.text,
  }));
}

/** A total, and a row a group; the last one may be of all that have none. */
export function breakdownOf(answer) {
  const rows = answer.rows.map(usageOf);
  if (answer.other) rows.push({ ...usageOf(answer.other), isRest: true });
  return { total: usageOf(answer.total), rows };
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
    modelRequested: answer.model_requested,
    modelAnswered: answer.model_answered,
    cacheMiss: answer.cache_miss,
    note: answer.note,
  };
  return {
    call,
    lines: linesOf(answer),
    since: sinceOf(answer),
    source: sourceOf(answer),
    attempts: answer.attempts.map((attempt, i) => ({ ...callOf(attempt), attempt: i })),
    corrections: answer.corrections.map((one) => ({
      at: seconds(one.at),
      before: one.cost_before_usd,
      after: one.cost_after_usd,
      reason: [one.price_source, one.note].filter(Boolean).join("; "),
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
          .map(([kind, tokens]) => ({
            name: KIND_NAMES[kind] ?? kind,
            tokens,
            rate: null,
            cost: null,
          }));
  if (Number(answer.cost_rest_usd) !== 0 && priced.length > 0) {
    lines.push({
      name: "fees, tiers and corrections",
      tokens: null,
      rate: null,
      cost: answer.cost_rest_usd,
    });
  }
  return lines;
}

/** Which price was taken, from where, and on which terms. */
function sourceOf(answer) {
  if (answer.price_source === null)
    return "No price is known for this model; its cost stands at $0.00 until it is priced.";
  const terms = [
    answer.price_tier && `tier ${answer.price_tier}`,
    answer.price_region && `region ${answer.price_region}`,
  ];
  const price = [
    `Price of ${answer.priced_model}: ${answer.price_source}`,
    ...terms.filter(Boolean),
  ].join(", ");
  return answer.cached ? `Answered from the cache: this is what it saved. ${price}` : price;
}

/** From when the price holds; null where nothing was priced line by line. */
function sinceOf(answer) {
  if (answer.price_source === null || answer.cost_lines.length === 0) return null;
  return answer.price_since === null
    ? "No other price before it is known."
    : `It holds from ${answer.price_since}.`;
}

/** The budgets' standing; amounts are numbers in the budget's unit. */
export function budgetsOf(answer) {
  return answer.budgets.map((budget) => ({
    ...budgetFigureOf(budget),
    scope: budget.scope,
    windowSeconds: budget.window_seconds,
    atLimit: budget.at_limit,
    shadow: budget.shadow,
    extra: Number(budget.extra),
    thresholds: budget.thresholds,
    remaining: Number(budget.remaining),
    refused: budget.blocked,
    downgraded: budget.downgraded,
    recent: budget.recent.map((one) => ({
      mark: one.mark,
      at: seconds(one.at),
      call: one.call_id,
      agent: one.agent_id,
    })),
    spenders: budget.spenders.map((one) => ({ name: one.agent_id, value: Number(one.settled) })),
  }));
}

/** A budget at a look. */
export function budgetFigureOf(budget) {
  return {
    name: budget.name,
    window: budget.window,
    unit: budget.unit,
    limit: Number(budget.limit),
    settled: Number(budget.settled),
    reserved: Number(budget.reserved),
    share: Number(budget.percent) / 100,
    percentText: `${budget.percent} %`,
    forecast: budget.forecast === null ? null : Number(budget.forecast),
    resetsAt: budget.resets_at === null ? null : seconds(budget.resets_at),
  };
}

const ADVICE_KINDS = {
  cheaper_model: { kindName: "A cheaper model", savingWords: "saved a week at most" },
  low_cache_hit_rate: { kindName: "The cache", savingWords: "saved a week" },
  unpriced_model: { kindName: "No price", savingWords: "cost, not counted" },
  paid_failures: { kindName: "Failures that cost money", savingWords: "spent on nothing" },
};

/** Advice, the largest figure first. */
export function adviceOf({ basis, advice }) {
  return {
    basis,
    advice: advice.map((one) => ({
      ...ADVICE_KINDS[one.kind],
      kind: one.kind,
      title: one.title,
      detail: one.detail,
      figure: one.usd,
      isEstimate: one.is_estimate,
      cost: one.cost_usd,
      calls: one.calls,
      alternatives: one.alternatives.map((other) => ({ ...other, cost: other.cost_usd })),
      filters: Object.fromEntries(
        ["agent", "provider", "model"]
          .filter((name) => one[name] !== null)
          .map((name) => [name, [one[name]]]),
      ),
      status: one.kind === "paid_failures" ? "any_error" : null,
    })),
  };
}
