"""The cases of `test_rules.py`: steps, and the warnings that they get."""

BUSY = (
    "CREATE TABLE parents (id integer PRIMARY KEY)",
    "CREATE TABLE busy (id integer PRIMARY KEY, name varchar(50), kind varchar(9), size integer DEFAULT 1)",
    "INSERT INTO busy (id, name, kind) VALUES (1, 'a', 'b'), (2, 'b', 'b'), (3, 'c', 'b')",
    "CREATE TABLE empty (id integer PRIMARY KEY, name varchar(50))",
)
POSTGRESQL = (
    'CREATE TABLE "Busy" ("Id" integer)',
    'INSERT INTO "Busy" VALUES (1)',
    "CREATE INDEX ix_busy_name ON busy (name)",
    "CREATE SCHEMA other",
    "CREATE TABLE other.busy (id integer)",
    "CREATE TYPE kind AS ENUM ('A', 'B')",
    "CREATE TABLE typed (v varchar(10), t text, n numeric(10, 2), s timestamp(3), c cidr, i integer)",
    "INSERT INTO typed (i) VALUES (1)",
    "CREATE TABLE required (id integer NOT NULL DEFAULT 1)",
    "INSERT INTO required VALUES (1)",
    "CREATE MATERIALIZED VIEW seen AS SELECT 1 AS one",
    "CREATE FUNCTION clean() RETURNS integer LANGUAGE sql AS 'DELETE FROM busy RETURNING 1'",
    "CREATE FUNCTION react() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "INSERT INTO other.busy VALUES (1)",
    "CREATE INDEX ix_other ON other.busy (id)",
    "CREATE DOMAIN whole AS integer",
    "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)",
    "CREATE TABLE domains (w whole, p positive, d timestamp, k text CONSTRAINT ck_k CHECK (k <> ''))",
    "INSERT INTO domains VALUES (1, 1, now(), 'a')",
    "CREATE INDEX ix_domains ON domains (w, k)",
    "CREATE TABLE parts (id integer) PARTITION BY RANGE (id)",
    "CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9)",
    "CREATE TABLE part_rest PARTITION OF parts DEFAULT",
    "INSERT INTO parts VALUES (1), (50)",
    "CREATE TABLE owned (id integer REFERENCES parents ON DELETE CASCADE)",
    "CREATE TABLE computed (id integer NOT NULL, twice integer GENERATED ALWAYS AS (id * 2) STORED)",
    "INSERT INTO computed VALUES (1)",
    "CREATE TABLE kept (id integer, code text CONSTRAINT uq_kept UNIQUE)",
    "CREATE UNIQUE INDEX ux_kept ON kept (id)",
    "INSERT INTO kept VALUES (1, 'a')",
)
BATCH = "with op.batch_alter_table('busy') as batch:\n    batch."
AUTOCOMMIT = "with op.get_context().autocommit_block():\n    "
ALTER = "ALTER TABLE busy "
DROPS_BUSY = ["DANGER drops the table busy"]
NOT_NULL = ["DANGER sets NOT NULL on busy.name, which has no default", "WARN sets NOT NULL on busy.name"]
DEFAULT = "WARN adds busy.x with the default"
STORED = ["WARN adds the stored generated column busy.x"]
UNIQUE = ["WARN adds the UNIQUE constraint uq"]
EXCLUDE = ["WARN adds the EXCLUDE constraint ex"]
FOREIGN = ["WARN adds the FOREIGN KEY fk without NOT VALID"]
CHECK = ["WARN adds the CHECK ck without NOT VALID"]
INDEX = ["WARN creates the index ix without CONCURRENTLY"]
NO_INDEX = ["WARN drops the index ix_busy_name without CONCURRENTLY"]
CONCURRENT = ["DANGER runs CREATE INDEX CONCURRENTLY ix inside a transaction"]
PARTITION = "WARN adds a partition to parts, which has a default partition"
CONFLICTS = "which rows it meets is known when it runs"
SET_CONFIG = "SELECT set_config('statement_timeout', '0', false)"
INT = "sa.Column('x', sa.Integer()"

# For each pair: an operation, plain SQL that does the same, and the warnings about both.
PAIRS: list[tuple[str, str, list[str]]] = [
    ("op.drop_table('busy')", "DROP TABLE IF EXISTS public.busy", DROPS_BUSY),
    ("op.drop_table('busy', schema='other')", "drop table other.busy", ["DANGER drops the table other.busy"]),
    ("op.drop_table('Busy')", 'DROP TABLE "Busy"', ["DANGER drops the table Busy"]),
    ("op.drop_table('busy')", "DROP TABLE BUSY", DROPS_BUSY),
    ("op.drop_table('empty')", "DROP TABLE empty", ["DANGER drops the table empty"]),
    (BATCH + "drop_column('name')", ALTER + "DROP name", ["DANGER drops the column busy.name"]),
    ("op.rename_table('busy', 'lazy')", ALTER + "RENAME TO lazy", ["DANGER renames the table busy to lazy"]),
    (
        "op.alter_column('busy', 'name', new_column_name='n')",
        ALTER + "RENAME name TO n",
        ["DANGER renames the column busy.name to n"],
    ),
    (
        f"op.add_column('busy', {INT}, nullable=False))",
        ALTER + "ADD x integer NOT NULL",
        ["DANGER adds busy.x NOT NULL without a default"],
    ),
    (f"op.add_column('busy', {INT}))", ALTER + "ADD COLUMN x integer DEFAULT NULL", []),
    (f"op.add_column('busy', {INT}, server_default='1', nullable=False))", ALTER + "ADD x int DEFAULT 1 NOT NULL", []),
    (
        "op.add_column('busy', sa.Column('x', sa.DateTime(), server_default=sa.text('now()')))",
        ALTER + "ADD COLUMN x timestamp DEFAULT now()",
        [],
    ),
    (
        "op.add_column('busy', sa.Column('x', sa.Uuid(), server_default=sa.text('gen_random_uuid()')))",
        ALTER + "ADD x uuid DEFAULT gen_random_uuid()",
        [f"{DEFAULT} gen_random_uuid()"],
    ),
    (
        f"op.add_column('busy', {INT}, server_default=sa.text('clean()')))",
        ALTER + "ADD x int DEFAULT clean()",
        [f"{DEFAULT} clean()"],
    ),
    (
        f"op.add_column('busy', {INT}, sa.Identity()))",
        ALTER + "ADD x int GENERATED BY DEFAULT AS IDENTITY",
        ["WARN adds the identity column busy.x"],
    ),
    (
        f"op.add_column('busy', {INT}, sa.Computed('id * 2')))",
        ALTER + "ADD x int GENERATED ALWAYS AS (id * 2) STORED",
        STORED,
    ),
    (
        f"op.add_column('busy', {INT}, sa.ForeignKey('parents.id', name='fk'), server_default='1'))",
        ALTER + "ADD x int DEFAULT 1 CONSTRAINT fk REFERENCES parents",
        FOREIGN,
    ),
    (
        f"op.add_column('busy', {INT}, sa.CheckConstraint('x > 0', name=op.f('ck'))))",
        ALTER + "ADD x int CONSTRAINT ck CHECK (x > 0)",
        CHECK,
    ),
    (
        f"op.add_column('busy', {INT}))\nop.create_unique_constraint('uq', 'busy', ['x'])",
        ALTER + "ADD x int CONSTRAINT uq UNIQUE",
        UNIQUE,
    ),
    ("op.create_unique_constraint('uq', 'busy', ['name'])", ALTER + "ADD CONSTRAINT uq UNIQUE (name)", UNIQUE),
    (
        "op.create_primary_key('pk', 'busy', ['id'])",
        ALTER + "ADD PRIMARY KEY (id)",
        ["WARN adds a primary key to busy", "DANGER fails: busy has a primary key already, busy_pkey"],
    ),
    (
        "op.create_exclude_constraint('ex', 'busy', ('name', '='), using='gist')",
        ALTER + "ADD CONSTRAINT ex EXCLUDE USING gist (name WITH =)",
        EXCLUDE,
    ),
    (
        "op.create_foreign_key('fk', 'busy', 'parents', ['id'], ['id'])",
        ALTER + "ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES parents (id) ON DELETE SET NULL",
        FOREIGN,
    ),
    (
        "op.create_foreign_key('fk', 'busy', 'parents', ['id'], ['id'], postgresql_not_valid=True)",
        ALTER + "ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES parents NOT DEFERRABLE NOT VALID",
        [],
    ),
    (
        "op.create_check_constraint(op.f('ck'), 'busy', 'id > 0')",
        ALTER + "ADD CONSTRAINT ck CHECK (name <> 'NOT VALID')",
        CHECK,
    ),
    (
        "op.create_check_constraint('ck', 'busy', 'id > 0', postgresql_not_valid=True)",
        ALTER + "ADD CONSTRAINT ck CHECK (id > 0) NOT VALID",
        [],
    ),
    ("op.validate_constraint('ck', 'busy')", ALTER + "VALIDATE CONSTRAINT ck", []),
    ("op.create_index('ix', 'busy', ['name'])", "CREATE UNIQUE INDEX IF NOT EXISTS ix ON busy (name)", INDEX),
    (
        "op.create_index(None, 'busy', [sa.text('lower(name)')])",
        "CREATE INDEX ON busy (lower(name))",
        ["WARN creates the index (unnamed) without CONCURRENTLY"],
    ),
    (
        "op.create_index('ix', 'busy', ['name'], postgresql_concurrently=True)",
        "CREATE INDEX CONCURRENTLY ix ON busy (name)",
        CONCURRENT,
    ),
    (
        AUTOCOMMIT + "op.create_index('ix', 'busy', ['name'], postgresql_concurrently=True)",
        AUTOCOMMIT + "op.execute('CREATE INDEX CONCURRENTLY ix ON busy (name)')",
        [],
    ),
    ("op.drop_index('ix_busy_name')", "DROP INDEX ix_busy_name", NO_INDEX),
    (
        "op.drop_index('ix_busy_name', 'busy', postgresql_concurrently=True)",
        "DROP INDEX CONCURRENTLY ix_busy_name",
        ["DANGER runs DROP INDEX CONCURRENTLY ix_busy_name inside a transaction"],
    ),
    (
        "op.drop_constraint('uq_kept', 'kept')",
        "ALTER TABLE kept DROP CONSTRAINT uq_kept",
        ["WARN drops uq_kept, which keeps rows of kept unique"],
    ),
    (
        "op.drop_index_concurrently('ux_kept', 'kept')",
        AUTOCOMMIT + "op.execute('DROP INDEX CONCURRENTLY ux_kept')",
        ["WARN drops ux_kept, which keeps rows of kept unique"],
    ),
    ("op.rename_index('ux_kept', 'ux', 'kept')", "ALTER INDEX ux_kept RENAME TO ux", []),
    ("op.alter_column('busy', 'name', nullable=False)", ALTER + "ALTER COLUMN name SET NOT NULL", NOT_NULL),
    ("op.alter_column('busy', 'id', nullable=False)", ALTER + "ALTER id SET NOT NULL", []),
    (
        "op.alter_column('busy', 'size', nullable=False)",
        ALTER + "ALTER size SET NOT NULL",
        ["WARN sets NOT NULL on busy.size"],
    ),
    ("op.alter_column('busy', 'name', nullable=True)", ALTER + "ALTER name DROP NOT NULL", []),
    (
        "op.alter_column('busy', 'size', server_default=None)",
        ALTER + "ALTER size DROP DEFAULT",
        ["WARN drops the default of busy.size"],
    ),
    (
        "op.alter_column('required', 'id', server_default=None)",
        "ALTER TABLE required ALTER id DROP DEFAULT",
        ["DANGER drops the default of required.id"],
    ),
    (
        "op.alter_column('busy', 'size', server_default=sa.text('random()'))",
        ALTER + "ALTER size SET DEFAULT random()",
        [],
    ),
    ("op.create_index('ix', 'empty', ['name'])", "CREATE INDEX ix ON empty (name)", []),
    (
        "op.create_index('ix_busy_name', 'busy', ['name'], if_not_exists=True)",
        "CREATE INDEX IF NOT EXISTS ix_busy_name ON busy (name)",
        [],
    ),
    (
        "op.drop_index('ix_other', 'busy', schema='other')",
        "DROP INDEX other.ix_other",
        ["WARN drops the index ix_other without CONCURRENTLY"],
    ),
    ("op.drop_table('none', if_exists=True)", "DROP TABLE IF EXISTS none", []),
    ("op.drop_column('busy', 'none', if_exists=True)", ALTER + "DROP COLUMN IF EXISTS none", []),
    (
        "op.add_column('busy', sa.Column('name', sa.Text(), nullable=False), if_not_exists=True)",
        ALTER + "ADD COLUMN IF NOT EXISTS name text NOT NULL",
        [],
    ),
    (
        "op.add_column('busy', sa.Column('x', sa.Text(), server_default='random()'))",
        ALTER + "ADD x text DEFAULT 'random()'",
        [],
    ),
    (
        "op.drop_constraint('busy_pkey', 'busy')",
        ALTER + "DROP CONSTRAINT busy_pkey",
        ["WARN drops the primary key busy_pkey of busy"],
    ),
    (
        "op.alter_column('computed', 'twice', server_default=None)",
        "ALTER TABLE computed ALTER twice DROP EXPRESSION",
        ["WARN drops the default of computed.twice"],
    ),
    (
        "op.alter_column('required', 'id', server_default=sa.Identity(always=True))",
        "ALTER TABLE required ALTER id ADD GENERATED ALWAYS AS IDENTITY",
        ["DANGER makes required.id GENERATED ALWAYS"],
    ),
    (
        "op.alter_column('domains', 'd', type_=sa.DateTime(timezone=True))",
        "ALTER TABLE domains ALTER d TYPE TIMESTAMP WITH TIME ZONE",
        ["WARN changes the type of domains.d to TIMESTAMP WITH TIME ZONE"],
    ),
    (
        "op.alter_column('domains', 'k', type_=sa.String())",
        "ALTER TABLE domains ALTER k TYPE varchar USING CAST((k) AS varchar)",
        ["WARN changes the type of domains.k, which the CHECK ck_k names"],
    ),
    ("op.alter_column('domains', 'w', type_=sa.Integer())", "ALTER TABLE domains ALTER w TYPE integer", []),
    (
        "op.rename_table('busy', 'b')\nop.execute('CREATE VIEW busy AS SELECT * FROM b')\n"
        + "op.create_index('ix', 'b', ['kind'])",
        "ALTER TABLE busy RENAME TO b; CREATE VIEW busy AS SELECT * FROM b; CREATE INDEX ix ON b (kind)",
        INDEX,
    ),
    (
        "op.create_table('new', sa.Column('id', sa.Integer()))\nop.create_index('ix', 'new', ['id'])",
        "CREATE TABLE new (id integer); CREATE INDEX ix ON new (id); DELETE FROM new",
        [],
    ),
    (
        BATCH
        + "add_column(sa.Column('x', sa.Integer()))\n    batch.drop_column('name')\n    batch.drop_column('kind')",
        ALTER + "ADD x integer, DROP name, DROP COLUMN IF EXISTS kind",
        ["DANGER drops the column busy.name", "DANGER drops the column busy.kind"],
    ),
]
TYPES = {
    # The same on disk, by PostgreSQL's documentation of ALTER TABLE.
    "harmless": {
        "v": "VARCHAR(20) TEXT",
        "t": "VARCHAR",
        "n": "NUMERIC(12,2) NUMERIC",
        "s": "TIMESTAMP(6)",
        "c": "INET",
    },
    "rewrite": {
        "v": "VARCHAR(5) INTEGER",
        "t": "VARCHAR(20)",
        "n": "NUMERIC(9,2) NUMERIC(12,3)",
        "s": "TIMESTAMP(0)",
        "c": "TEXT",
        "i": "BIGINT SMALLINT",
    },
}
SQL: list[tuple[str, list[str]]] = [
    ("UPDATE busy SET name = 'where'", ["WARN runs UPDATE on busy without WHERE (3 rows)"]),
    ("UPDATE ONLY busy SET name = 'x' WHERE id > 1", ["WARN runs UPDATE on busy (2 of 3 rows)"]),
    ("UPDATE busy b SET name = 'x' FROM typed t WHERE t.i = b.id", ["WARN runs UPDATE on busy (1 of 3 rows)"]),
    (
        "UPDATE busy SET new = 1 WHERE new IS NULL",
        ["WARN runs UPDATE on busy (rows not counted: it names a column or table that does not exist yet)"],
    ),
    ("UPDATE busy SET name = 'a' WHERE name LIKE '%a%'", ["WARN runs UPDATE on busy (1 of 3 rows)"]),
    ("UPDATE empty SET name = 'a'", []),
    ("DELETE FROM busy", ["DANGER runs DELETE on busy without WHERE (3 rows)"]),
    ("DELETE FROM busy WHERE id = 1", ["DANGER runs DELETE on busy (1 of 3 rows)"]),
    ("DELETE FROM busy WHERE id = 9", ["WARN runs DELETE on busy (0 of 3 rows)"]),
    ("DELETE FROM busy USING typed WHERE i = id", ["DANGER runs DELETE on busy (1 of 3 rows)"]),
    ("WITH a AS (DELETE FROM busy WHERE id < 3 RETURNING 1) SELECT 1", ["DANGER runs DELETE on busy (2 of 3 rows)"]),
    (
        "MERGE INTO busy USING typed ON i = id WHEN MATCHED THEN DELETE",
        ["DANGER runs MERGE with DELETE on busy (1 of 3 rows)"],
    ),
    (
        "TRUNCATE busy, typed",
        [f"DANGER runs TRUNCATE on {n} without WHERE ({r})" for n, r in (("busy", "3 rows"), ("typed", "1 row"))],
    ),
    ("drop table busy; -- and more\nSELECT 1", DROPS_BUSY),
    ("INSERT INTO busy VALUES (2, 'a; -- DROP TABLE busy;'), (3, $$; DELETE FROM busy; $$)", []),
    ("COMMENT ON TABLE busy IS 'it''s /* not */ DROP TABLE busy'; /* DROP /* TABLE */ busy; */", []),
    (
        "UPDATE busy SET name = 'a -- b' WHERE id = 1; DROP TABLE busy",
        ["WARN runs UPDATE on busy (1 of 3 rows)", *DROPS_BUSY],
    ),
    (
        "DO $$ BEGIN IF true THEN DELETE FROM busy; END IF; END $$",
        ["DANGER runs DELETE on busy without WHERE (3 rows)"],
    ),
    ("DO 'BEGIN EXECUTE ''DROP TABLE busy''; END'", DROPS_BUSY),
    (
        "DO $$ BEGIN EXECUTE format('DROP TABLE %I', 'busy'); END $$",
        ["WARN is not understood: EXECUTE format('DROP TABLE %I', 'busy')"],
    ),
    (
        "DO $$ DECLARE n int; BEGIN SELECT 1 INTO n; DELETE FROM busy WHERE id = n; END $$",
        ["DANGER runs DELETE on busy (rows not counted: a value in it is computed when the step runs)"],
    ),
    ("SELECT clean()", ["WARN is not understood: what the function clean does"]),
    ("SELECT length('clean()'), now()", []),
    ("CALL clean()", ["WARN is not understood: CALL clean()"]),
    ("FROB busy", ["WARN is not understood: FROB busy"]),
    (
        ALTER + "FROB x, DROP name",
        ["WARN is not understood: ALTER TABLE busy FROB x", "DANGER drops the column busy.name"],
    ),
    ("SELECT 'not closed", ["WARN is not understood: SELECT 'not closed"]),
    ("VACUUM FULL busy", ["DANGER runs VACUUM FULL busy inside a transaction", "WARN runs VACUUM FULL on busy"]),
    ("CLUSTER busy USING busy_pkey", ["WARN runs CLUSTER on busy"]),
    ("REINDEX INDEX ix_busy_name", ["WARN runs REINDEX on busy"]),
    ("REINDEX TABLE CONCURRENTLY busy", ["DANGER runs REINDEX TABLE CONCURRENTLY busy inside a transaction"]),
    ("LOCK TABLE busy", ["WARN locks busy in the mode ACCESS EXCLUSIVE"]),
    ("LOCK busy IN ROW EXCLUSIVE MODE", []),
    (ALTER + "SET UNLOGGED", ["WARN runs ALTER TABLE ... SET UNLOGGED on busy"]),
    (ALTER + "SET (fillfactor = 90), OWNER TO CURRENT_USER, DROP CONSTRAINT IF EXISTS x", []),
    (ALTER + "ADD CONSTRAINT uq UNIQUE USING INDEX ix_busy_name", []),
    (ALTER + "ADD x bigserial", ["WARN adds busy.x with the default nextval(...)"]),
    (ALTER + "ADD x int REFERENCES parents", []),
    (ALTER + "DROP name CASCADE", ["DANGER drops the column busy.name", f"DANGER runs {ALTER}DROP name CASCADE"]),
    ("REFRESH MATERIALIZED VIEW seen", ["WARN refreshes the view seen without CONCURRENTLY"]),
    ("REFRESH MATERIALIZED VIEW CONCURRENTLY seen", []),
    (ALTER + "RENAME TO lazy; CREATE VIEW busy AS SELECT * FROM lazy", []),
    (
        "DO $$ <<a>> DECLARE n int; BEGIN n := 1; DELETE FROM typed; END a $$",
        ["DANGER runs DELETE on typed without WHERE (1 row)"],
    ),
    ("ALTER TYPE kind RENAME VALUE 'A' TO 'B'", ["DANGER renames the label A of the enum kind to B"]),
    ("ALTER TYPE kind ADD VALUE 'C'", ["WARN adds the label C to the enum kind inside a transaction"]),
    ("ALTER TYPE kind RENAME TO kinds", ["DANGER renames the type kind to kinds"]),
    ("DELETE FROM pg_enum", ["DANGER changes PostgreSQL's own tables: DELETE FROM pg_enum"]),
    ("DROP SCHEMA public CASCADE", ["DANGER runs DROP SCHEMA public CASCADE"]),
    ("DROP TYPE kind CASCADE", ["DANGER runs DROP TYPE kind CASCADE"]),
    ("DROP VIEW v", ["WARN drops the VIEW v"]),
    ("COMMIT", ["WARN runs COMMIT"]),
]
NO_FUNCTION = ["WARN is not understood: what the function clean does"]
NO_BUSY = ["DANGER runs DELETE on busy without WHERE (3 rows)"]
SQL += [
    ("DO $$ DECLARE r record; BEGIN FOR r IN DELETE FROM busy RETURNING id LOOP NULL; END LOOP; END $$", NO_BUSY),
    ("DO $$ DECLARE r record; BEGIN FOR r IN EXECUTE 'DELETE FROM busy RETURNING 1' LOOP END LOOP; END $$", NO_BUSY),
    ("DO $$ BEGIN IF clean() > 1 THEN NULL; END IF; END $$", NO_FUNCTION),
    ("DO $$ DECLARE n int := clean(); BEGIN NULL; END $$", NO_FUNCTION),
    ("DO $$ BEGIN COMMIT; END $$", ["DANGER runs COMMIT inside a transaction"]),
    ("DO LANGUAGE other $$ x $$", ["WARN is not understood: DO LANGUAGE other $$ x $$"]),
    ("COPY (DELETE FROM busy RETURNING 1) TO STDOUT", NO_BUSY),
    ("COPY busy FROM PROGRAM 'x'", ["WARN is not understood: COPY busy FROM PROGRAM 'x'"]),
    ("CREATE TABLE t AS WITH a AS (DELETE FROM busy RETURNING 1) SELECT 1 WITH NO DATA", NO_BUSY),
    ("SELECT clean() INTO t", NO_FUNCTION),
    ("SELECT none()", ["WARN is not understood: what the function none does"]),
    ("SELECT pg_terminate_backend(1)", ["WARN is not understood: what the function pg_terminate_backend does"]),
    (
        "INSERT INTO busy (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'z'",
        [f"WARN runs INSERT ... ON CONFLICT DO UPDATE on busy (rows not counted: {CONFLICTS})"],
    ),
    ("INSERT INTO busy (id) VALUES (1) ON CONFLICT DO NOTHING", []),
    ("MERGE INTO busy USING typed ON i = id WHEN NOT MATCHED THEN INSERT (id) VALUES (9)", []),
    ("CLUSTER busy_pkey ON busy", ["WARN runs CLUSTER on busy"]),
    ("ALTER INDEX ix_busy_name SET TABLESPACE x", ["WARN runs ALTER INDEX ... SET TABLESPACE on busy"]),
    ("ALTER TYPE kind SET SCHEMA other", ["DANGER renames the type kind to other.kind"]),
    ("ALTER VIEW v RENAME COLUMN a TO b", ["DANGER renames the column v.a to b"]),
    ("ALTER DOMAIN whole ADD CHECK (VALUE > 0)", ["WARN sets a CHECK on the domain whole"]),
    ("ALTER DOMAIN whole ADD CHECK (VALUE > 0) NOT VALID", []),
    ("ALTER DOMAIN whole SET NOT NULL", ["DANGER sets NOT NULL on the domain whole"]),
    ("ALTER DOMAIN whole SET DEFAULT 1", []),
    (ALTER + "ADD x positive", ["WARN adds busy.x of the domain positive, which has rules"]),
    (ALTER + "ADD x whole", []),
    ("ALTER TABLE domains ALTER w TYPE positive", ["DANGER changes the type of domains.w to POSITIVE"]),
    ("ALTER TABLE domains ALTER w TYPE oid", ["WARN changes the type of domains.w to OID"]),
    (
        "SET timezone = 'Europe/Zurich'; ALTER TABLE domains ALTER d TYPE timestamptz",
        ["DANGER changes the type of domains.d to TIMESTAMPTZ"],
    ),
    ("CREATE TABLE p2 PARTITION OF parts FOR VALUES FROM (10) TO (20)", [PARTITION]),
    ("ALTER TABLE parts ATTACH PARTITION typed DEFAULT", [PARTITION, "WARN attaches the partition typed"]),
    ("ALTER TABLE parts DETACH PARTITION part", ["DANGER takes the rows of part out of parts"]),
    ("CREATE TRIGGER t AFTER INSERT ON busy EXECUTE FUNCTION react()", ["WARN creates the trigger t on busy"]),
    ("CREATE RULE r AS ON INSERT TO busy DO INSTEAD NOTHING", ["DANGER creates the rule r on busy"]),
    ("DROP TRIGGER IF EXISTS t ON busy", ["WARN drops the TRIGGER t of busy"]),
    (ALTER + "ENABLE ROW LEVEL SECURITY", ["DANGER runs ENABLE ROW LEVEL SECURITY on busy"]),
    (ALTER + "DISABLE TRIGGER ALL", ["WARN runs DISABLE TRIGGER on busy"]),
    ("REVOKE ALL ON busy FROM public", ["WARN runs REVOKE ALL ON busy FROM public"]),
    ("GRANT SELECT ON busy TO public", []),
    ("SET LOCAL lock_timeout = 0", ["WARN runs SET LOCAL lock_timeout = 0"]),
    ("SELECT set_config('statement_timeout', '0', false)", [f"WARN runs {SET_CONFIG}"]),
    ("SET search_path TO other", ["WARN is not understood after SET search_path TO other"]),
    ("SET LOCAL work_mem = '1GB'", []),
    ("EXPLAIN DELETE FROM busy", []),
    ("EXPLAIN ANALYZE DELETE FROM busy", ["WARN is not understood: EXPLAIN ANALYZE DELETE FROM busy"]),
    ('DROP TABLE U&"busy"', ['WARN is not understood: DROP TABLE U&"busy"']),
    ("ROLLBACK TO SAVEPOINT a", []),
]
STEPS: list[tuple[str, list[str]]] = [
    ("op.remove_enum_value('kind', 'B')", ["DANGER removes the label B of the enum kind"]),
    ("op.add_enum_value('kind', 'C')", []),
    ("op.bulk_insert(sa.table('busy', sa.column('id')), [{'id': 8}])", []),
    ("op.set_not_null('busy', 'name')", NOT_NULL[:1]),
    ("op.create_index_concurrently('ix', 'busy', ['name'])", []),
    (
        f"op.create_index_concurrently('ix', 'busy', ['name'])\nop.add_column('busy', {INT}))",
        ["WARN has other operations besides op.create_index_concurrently"],
    ),
    (
        f"op.add_column('busy', {INT}))\nop.validate_constraint('ck', 'busy')",
        ["WARN has other operations besides op.validate_constraint"],
    ),
    (
        f"op.add_column('busy', {INT}))\nop.execute('ALTER TABLE busy VALIDATE CONSTRAINT ck')",
        ["WARN has other operations besides VALIDATE CONSTRAINT"],
    ),
    ("op.validate_constraint('a', 'busy')\nop.validate_constraint('b', 'busy')", []),
    (
        f"op.add_column('busy', {INT}))\n{AUTOCOMMIT}op.execute('CREATE INDEX CONCURRENTLY ix ON busy (name)')",
        ["WARN has other operations besides op.get_context().autocommit_block()"],
    ),
    (AUTOCOMMIT + "op.execute('CREATE INDEX CONCURRENTLY ix ON busy (name); SELECT 1')", CONCURRENT),
    (AUTOCOMMIT + "op.execute(\"ALTER TYPE kind ADD VALUE 'C'\")", []),
    (AUTOCOMMIT + "op.execute('VACUUM FULL busy')", ["WARN runs VACUUM FULL on busy"]),
    ("op.get_bind().execute(sa.text('SELECT 1')).all()", ["WARN can only be partly reviewed"]),
    ("op.get_bind().exec_driver_sql('DROP TABLE busy')", DROPS_BUSY),
    ("op.execute(sa.DDL('DROP TABLE busy'))", DROPS_BUSY),
    (
        "op.get_bind().execute(sa.text('DELETE FROM busy WHERE id < :id'), {'id': 3})",
        ["DANGER runs DELETE on busy (2 of 3 rows)"],
    ),
    (
        "busy = sa.table('busy', sa.column('id'))\nop.execute(busy.delete().where(busy.c.id == 1))",
        ["DANGER runs DELETE on busy (1 of 3 rows)"],
    ),
]
