/**
 * The tables of `run.sqlite`, format 2. One folder, one run, one file.
 *
 * - What was asked and told, in order, is in `events`, `candidates` and `tells`: the journal a run is replayed from.
 * - `evaluations` fill in as they arrive, in any order; `rungs` holds what is known of candidates that are still being evaluated.
 * - `crc` of a row covers its other columns (see `codec.ts`): SQLite does not notice a flipped bit inside a value.
 * - Numbers that must come back bit by bit are float64 or float32 little-endian blobs, or JSON with shortest round-trip
 *   numbers (and `-0`).
 * - `trials` and `scores` are views for people with an SQLite tool; the program itself does not read them.
 */

/** "AMLG", https://www.sqlite.org/fileformat2.html#application_id */
export const APPLICATION_ID = 0x414d4c47
export const FORMAT = 2

/** Name → definition. An opened file must define exactly these: a table that is a view, or a trigger, is foreign code. */
export const SCHEMA: Readonly<Record<string, string>> = {
  manifest: `CREATE TABLE manifest (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  json TEXT NOT NULL,
  objectives TEXT NOT NULL, -- a copy out of json, for the view "scores"
  crc INTEGER NOT NULL
) STRICT`,

  budgets: `CREATE TABLE budgets ( -- the last one holds
  id INTEGER PRIMARY KEY,
  budget INTEGER NOT NULL CHECK (budget > 0),
  crc INTEGER NOT NULL
) STRICT`,

  events: `CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  type TEXT NOT NULL CHECK (type IN ('asked', 'told', 'stopped')),
  requested INTEGER CHECK ((requested IS NOT NULL) = (type = 'asked')),
  reason TEXT CHECK ((reason IS NOT NULL) = (type = 'stopped')),
  crc INTEGER NOT NULL
) STRICT`,

  candidates: `CREATE TABLE candidates (
  id INTEGER PRIMARY KEY,
  asked INTEGER NOT NULL REFERENCES events (seq),
  genome BLOB NOT NULL, -- float64
  parents TEXT NOT NULL,
  memo TEXT NOT NULL,
  crc INTEGER NOT NULL
) STRICT`,

  evaluations: `CREATE TABLE evaluations (
  id INTEGER PRIMARY KEY REFERENCES candidates (id),
  status TEXT NOT NULL CHECK (status IN ('scored', 'failed')),
  "values" TEXT CHECK (("values" IS NOT NULL) = (status = 'scored')), -- one per objective, as reported
  kind TEXT CHECK ((kind IS NOT NULL) = (status = 'failed')),
  reason TEXT CHECK ((reason IS NOT NULL) = (status = 'failed')),
  timing TEXT NOT NULL, -- milliseconds: total, merge, inference
  examples TEXT, -- how many float32 of "scores" belong to each objective
  scores BLOB, -- per example, float32, objective after objective
  partial TEXT, -- of a candidate that was stopped early: all examples there are, standard errors, why
  crc INTEGER NOT NULL
) STRICT`,

  rungs: `CREATE TABLE rungs ( -- parts of evaluations that are under way; a whole one replaces them
  id INTEGER NOT NULL REFERENCES candidates (id),
  rung INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status = 'scored'),
  "values" TEXT NOT NULL, -- null: of an objective no new example was looked at
  kind TEXT CHECK (kind IS NULL),
  reason TEXT CHECK (reason IS NULL),
  timing TEXT NOT NULL,
  examples TEXT NOT NULL,
  scores BLOB NOT NULL,
  partial TEXT CHECK (partial IS NULL),
  crc INTEGER NOT NULL,
  PRIMARY KEY (id, rung)
) STRICT, WITHOUT ROWID`,

  tells: `CREATE TABLE tells (
  id INTEGER PRIMARY KEY REFERENCES evaluations (id),
  told INTEGER NOT NULL REFERENCES events (seq),
  position INTEGER NOT NULL, -- inside its event
  crc INTEGER NOT NULL
) STRICT`,

  snapshots: `CREATE TABLE snapshots ( -- a cache of the fold over events up to seq; only the newest is kept
  seq INTEGER PRIMARY KEY REFERENCES events (seq),
  kind TEXT NOT NULL,
  version INTEGER NOT NULL,
  state TEXT NOT NULL,
  crc INTEGER NOT NULL
) STRICT`,

  assessments: `CREATE TABLE assessments (
  subject TEXT NOT NULL,
  split TEXT NOT NULL CHECK (split IN ('search', 'select', 'holdout')),
  recipe TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('scored', 'failed')),
  "values" TEXT CHECK (("values" IS NOT NULL) = (status = 'scored')),
  kind TEXT CHECK ((kind IS NOT NULL) = (status = 'failed')),
  reason TEXT CHECK ((reason IS NOT NULL) = (status = 'failed')),
  timing TEXT NOT NULL,
  examples TEXT,
  scores BLOB,
  partial TEXT,
  crc INTEGER NOT NULL,
  PRIMARY KEY (split, subject)
) STRICT, WITHOUT ROWID`,

  facts: `CREATE TABLE facts (
  name TEXT PRIMARY KEY,
  json TEXT NOT NULL,
  crc INTEGER NOT NULL
) STRICT, WITHOUT ROWID`,

  sessions: `CREATE TABLE sessions ( -- who has opened the run for writing
  id INTEGER PRIMARY KEY,
  pid INTEGER NOT NULL,
  host TEXT NOT NULL,
  opened_at TEXT NOT NULL
) STRICT`,

  trials: `CREATE VIEW trials AS
SELECT c.id, CASE WHEN e.id IS NULL THEN 'outstanding' ELSE e.status END AS status, e."values", e.kind, e.reason,
  c.asked, t.told, e.partial, json_extract(e.timing, '$[0]') AS total_ms, c.parents, c.memo, c.genome
FROM candidates c LEFT JOIN evaluations e ON e.id = c.id LEFT JOIN tells t ON t.id = c.id
ORDER BY c.id`,

  scores: `CREATE VIEW scores AS
SELECT e.id, json_extract(o.value, '$.name') AS objective, v.value, json_extract(o.value, '$.unit') AS unit
FROM evaluations e, json_each(e."values") v, manifest m, json_each(m.objectives) o
WHERE o.key = v.key
ORDER BY e.id, o.key`,
}
