"""A million invoices, skewed as years of work leave them: most are paid, few customers have many."""

from __future__ import annotations

CUSTOMERS = """
INSERT INTO customer (name, email, created_at, updated_at)
SELECT (ARRAY['Ada', 'Bela', 'Carlo', 'Dana', 'Emil', 'Fumi', 'Globex', 'Hana', 'Initech', 'Jonas', 'Kara',
              'Lotus', 'Mira', 'Nord', 'Orion', 'Pavo', 'Quint', 'Rhea', 'Sol', 'Tessa'])[1 + n % 20]
       || ' ' || (ARRAY['Trading', 'Foods', 'Health', 'Works', 'Labs', 'Media', 'Studio'])[1 + n / 20 % 7]
       || ' ' || n,
       'c' || n || '@example.com', now() - interval '4 years', now() - interval '4 years'
FROM generate_series(1, {customers}) AS n
"""
INVOICES = """
INSERT INTO invoice (customer, account, mode, origin, currency, status, number, subtotal_minor, total_minor,
                     amount_paid_minor, due_date, sync_state, external_id, created_at, finalised_at)
SELECT first_customer.id + CASE WHEN dice[1] < 0.01 THEN 0
                                ELSE floor({customers} * dice[2] * dice[2] * dice[2])::bigint END,
       account.id, account.mode, 'portal', currency, status,
       CASE WHEN status <> 'draft' THEN 'INV-' || lpad(n::text, greatest(4, length(n::text)), '0') END,
       minor, minor, CASE status WHEN 'paid' THEN minor WHEN 'partly_paid' THEN minor / 2 ELSE 0 END, due,
       CASE WHEN n % 10 = 0 THEN 'none' WHEN dice[4] < 0.001 THEN 'failed'
            WHEN n > {invoices} - {invoices} / 100 THEN 'waiting' ELSE 'in_step' END,
       CASE WHEN n % 10 <> 0 THEN 'in_seed' || n END, made, CASE WHEN status <> 'draft' THEN made END
FROM (SELECT min(id) AS id FROM customer) AS first_customer,
     generate_series(1, {invoices}) AS n,
     LATERAL (SELECT ARRAY[random(), random(), random(), random(), random(), random(), random()] AS dice,
                     n AS again) AS luck,
     LATERAL (SELECT min(id) AS id, mode FROM connected_account
              WHERE mode = CASE WHEN dice[3] < 0.1 THEN 'test' ELSE 'live' END GROUP BY mode) AS account,
     LATERAL (SELECT now() - ({invoices} - n) * interval '3 years' / {invoices} AS made) AS time,
     LATERAL (SELECT CASE WHEN dice[5] < 0.05 THEN NULL ELSE made::date + 14 + 16 * (n % 2)::int END AS due)
         AS term,
     LATERAL (SELECT CASE WHEN dice[6] < 0.8 THEN 'usd' WHEN dice[6] < 0.98 THEN 'jpy' ELSE 'kwd' END
                     AS currency) AS c,
     LATERAL (SELECT CASE WHEN dice[7] < 0.3 THEN 49000 ELSE 10 * floor(10 ^ (1 + 4 * dice[7]))::bigint END
                     AS minor) AS a,
     LATERAL (SELECT CASE
         WHEN n > {invoices} * 0.97 AND dice[4] < 0.6 THEN 'open' WHEN dice[4] > 0.99 THEN 'draft'
         WHEN dice[4] > 0.97 THEN 'void' WHEN dice[4] > 0.95 THEN 'open'
         WHEN dice[4] > 0.94 THEN 'partly_paid'
         WHEN dice[4] > 0.93 THEN 'refunded' WHEN dice[4] > 0.925 THEN 'uncollectible'
         WHEN dice[4] > 0.924 THEN 'processing' ELSE 'paid' END AS status) AS s
"""
CONFLICTS = """
INSERT INTO sync_difference (account, mode, subject_kind, subject_id, external_id, field, ours, theirs, kind,
                             cause, rule, trusted, found_by, found_at)
SELECT account, mode, 'invoice', id, external_id, 'memo', 'a', 'b', 'conflict', '', '',
       'person', 'event', now()
FROM invoice WHERE external_id IS NOT NULL AND id % 2000 = 1
"""
SETTLED = "VACUUM ANALYZE invoice", "VACUUM ANALYZE customer", "VACUUM ANALYZE sync_difference"
SECOND_MODE = """
INSERT INTO connected_account (plugin, mode, external_account_id, title, connected_at)
VALUES ('stripe', 'live', 'acct_seed', 'Northwind, live', now())
"""
