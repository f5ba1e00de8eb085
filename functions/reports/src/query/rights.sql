-- What the role of the queries may do besides reading, itself or as a role that it is a member of: each with the statement
-- that takes it away.
WITH roles AS (
    SELECT member.oid, member.rolname, member.rolsuper, member.rolbypassrls, member.rolcreaterole, member.rolreplication
    FROM pg_roles AS me JOIN pg_roles AS member
        ON member.oid = me.oid OR (NOT me.rolsuper AND pg_has_role(me.oid, member.oid, 'MEMBER'))
    WHERE me.rolname = current_user
), others AS (
    -- To a superuser everything is allowed; one row says it.
    SELECT * FROM roles WHERE NOT EXISTS (SELECT FROM roles WHERE rolsuper)
), attributes AS (
    SELECT rolname, 'is a superuser' AS what, 'NOSUPERUSER' AS without FROM roles WHERE rolsuper
    UNION ALL SELECT rolname, 'sees the rows that row security hides', 'NOBYPASSRLS' FROM others WHERE rolbypassrls
    UNION ALL SELECT rolname, 'may make roles', 'NOCREATEROLE' FROM others WHERE rolcreaterole
    UNION ALL SELECT rolname, 'may replicate everything', 'NOREPLICATION' FROM others WHERE rolreplication
), functions AS (
    SELECT DISTINCT proc.oid::regprocedure::text AS name FROM pg_proc AS proc, others
    WHERE proc.proname IN (
        'pg_read_file', 'pg_read_binary_file', 'pg_ls_dir', 'pg_stat_file', 'lo_import', 'lo_export',
        'pg_file_write', 'pg_file_rename', 'pg_file_unlink', 'pg_file_sync',
        'dblink', 'dblink_connect', 'dblink_connect_u', 'dblink_exec', 'dblink_open', 'dblink_send_query',
        'pg_reload_conf', 'pg_rotate_logfile', 'pg_switch_wal', 'pg_promote'
    ) AND has_function_privilege(others.oid, proc.oid, 'EXECUTE')
), tables AS (
    SELECT DISTINCT class.oid::regclass::text AS name FROM pg_class AS class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace, others
    WHERE class.relkind IN ('r', 'p', 'v', 'f') AND class.relpersistence <> 't'
        AND namespace.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        AND has_table_privilege(others.oid, class.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
), schemas AS (
    SELECT DISTINCT namespace.nspname AS name FROM pg_namespace AS namespace, others
    WHERE namespace.nspname !~ '^pg_(temp|toast)' AND has_schema_privilege(others.oid, namespace.oid, 'CREATE')
)
SELECT CASE rolname WHEN current_user THEN format('it %s', what) ELSE format('it is a member of %I, which %s', rolname, what) END,
    CASE rolname WHEN current_user THEN format('ALTER ROLE %I %s', rolname, without)
        ELSE format('REVOKE %I FROM %I', rolname, current_user) END
FROM attributes
UNION ALL
SELECT format('it is a member of %I', rolname), format('REVOKE %I FROM %I', rolname, current_user)
FROM others WHERE rolname IN (
    'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', 'pg_write_all_data', 'pg_signal_backend'
)
UNION ALL
SELECT format('it may execute %s', string_agg(name, ', ' ORDER BY name)),
    format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC, %I', string_agg(name, ', ' ORDER BY name), current_user)
FROM functions HAVING count(*) > 0
UNION ALL
SELECT format('it may write to %s tables, such as %s', count(*), min(name)),
    format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON %s … FROM %I, and let another role own them', min(name), current_user)
FROM tables HAVING count(*) > 0
UNION ALL
SELECT format('it may create tables and functions in the schema %I', name),
    format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %I', name, current_user)
FROM schemas
UNION ALL
SELECT 'it may create schemas', format('REVOKE CREATE ON DATABASE %I FROM PUBLIC, %I', current_database(), current_user)
FROM others WHERE has_database_privilege(others.oid, current_database(), 'CREATE') GROUP BY ()
HAVING count(*) > 0
