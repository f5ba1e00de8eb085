-- The role of `reports.database_url`: it reads and does nothing else. It may read every table of the schema, those that imports
-- make later and what workers keep there of their own (bellwire_*: who has imported what, the runs of workflows); what no
-- definition of a report may show belongs into another schema.
--
-- Run by the role of `database.url`, or by one that may act for it (imports), as often as you like:
--
--   psql -v imports=bellwire -v schema=public -v reports=bellwire_reports -f infra/postgresql/reports.sql
--
-- Its password is set within psql, where neither the list of processes nor the server's log shows it:
--
--   \password bellwire_reports
\set ON_ERROR_STOP on
SELECT format('CREATE ROLE %I LOGIN', :'reports')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'reports') \gexec
GRANT USAGE ON SCHEMA :"schema" TO :"reports";
GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO :"reports";
ALTER DEFAULT PRIVILEGES FOR ROLE :"imports" IN SCHEMA :"schema" GRANT SELECT ON TABLES TO :"reports";
