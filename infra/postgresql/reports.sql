-- The role of `reports.database_url`: it reads what imports write, also tables that they make later, and does nothing else.
-- Run by the role of `database.url`, or by one that may act for it (imports):
--
--   psql -v imports=bellwire -v schema=public -v reports=bellwire_reports -v password=… -f infra/postgresql/reports.sql
CREATE ROLE :"reports" LOGIN PASSWORD :'password';
GRANT USAGE ON SCHEMA :"schema" TO :"reports";
GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO :"reports";
ALTER DEFAULT PRIVILEGES FOR ROLE :"imports" IN SCHEMA :"schema" GRANT SELECT ON TABLES TO :"reports";
