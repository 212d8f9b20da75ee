--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: connectiontype; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.connectiontype AS ENUM (
    'POWERBI',
    'DB'
);


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: accounts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.accounts (
    id uuid NOT NULL,
    name character varying(255) NOT NULL,
    created_at timestamp with time zone NOT NULL
);


--
-- Name: agent_versions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.agent_versions (
    agent_id uuid NOT NULL,
    version integer NOT NULL,
    account_id uuid NOT NULL,
    action character varying(50) NOT NULL,
    actor_name character varying(255) NOT NULL,
    user_id uuid,
    created_at timestamp with time zone NOT NULL,
    snapshot jsonb NOT NULL,
    changes jsonb NOT NULL,
    kept_secrets jsonb
);


--
-- Name: agents; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.agents (
    id uuid NOT NULL,
    name character varying(255) NOT NULL,
    description text,
    status character varying(50) DEFAULT 'active'::character varying NOT NULL,
    model_type character varying(100),
    api_key character varying(500),
    system_instructions text,
    connection_type public.connectiontype NOT NULL,
    connection_config jsonb NOT NULL,
    account_id uuid NOT NULL,
    created_by uuid,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    status_reason character varying(500),
    credential_expires_at date,
    secret_facts jsonb DEFAULT '{}'::jsonb NOT NULL,
    name_key text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    search_text text DEFAULT ''::text NOT NULL,
    CONSTRAINT ck_agents_status CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'disabled'::character varying])::text[])))
);


--
-- Name: alembic_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: api_tokens; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.api_tokens (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    created_by uuid,
    name character varying(255) NOT NULL,
    key_id character varying(12) NOT NULL,
    pepper_id character varying(32) NOT NULL,
    digest character varying(64) NOT NULL,
    scopes jsonb NOT NULL,
    agent_ids jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone
);


--
-- Name: encryption_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.encryption_keys (
    key_id character varying(32) NOT NULL,
    check_value character varying(200) NOT NULL,
    created_at timestamp with time zone NOT NULL
);


--
-- Name: events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.events (
    id uuid NOT NULL,
    account_id uuid,
    created_at timestamp with time zone NOT NULL,
    action character varying(50) NOT NULL,
    door character varying(20) NOT NULL,
    actor_name character varying(255) NOT NULL,
    user_id uuid,
    token_id uuid,
    target_kind character varying(20),
    target_id uuid,
    target_name character varying(255),
    address character varying(45),
    request_id character varying(64),
    details jsonb NOT NULL
);


--
-- Name: invitations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.invitations (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    user_id uuid,
    role character varying(20) NOT NULL,
    digest character varying(64) NOT NULL,
    created_by uuid,
    made_by character varying(255) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);


--
-- Name: login_attempts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.login_attempts (
    id uuid NOT NULL,
    login character varying(64),
    address character varying(45) NOT NULL,
    created_at timestamp with time zone NOT NULL
);


--
-- Name: user_sessions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.user_sessions (
    id uuid NOT NULL,
    digest character varying(64) NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    address character varying(45),
    user_agent character varying(255)
);


--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    email character varying(254) NOT NULL,
    name character varying(255) NOT NULL,
    role character varying(20) NOT NULL,
    password_hash character varying(255),
    is_active boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_users_role CHECK (((role)::text = ANY ((ARRAY['viewer'::character varying, 'editor'::character varying, 'admin'::character varying])::text[])))
);


--
-- Data for Name: accounts; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.accounts VALUES ('42fdb819-d27c-4754-9502-a38495c6bc8a', 'Globex', '2026-11-25 23:53:50.494487+00');
INSERT INTO public.accounts VALUES ('0634d180-e611-4908-b551-792a0c40b583', 'Acme', '2026-11-25 23:53:50.429667+00');


--
-- Data for Name: agent_versions; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.agent_versions VALUES ('442a2b89-cdf1-4d9f-b990-370c52581c0a', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.80561+00', '{"name": "Sales", "status": "active", "secrets": ["/api_key", "/connection_config/password"], "created_at": "2026-11-25T23:53:50.798978+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": "gpt-5-mini", "description": "Answers on sales.\nFor the board.", "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 6432, "dialect": "postgresql", "sslmode": "verify-full", "database": "sales", "username": "reader", "read_only": false, "row_limit": 77, "ssl_root_cert": "-----BEGIN CERTIFICATE-----\nMIIBNDCB3KADAgECAhRmZsNojxp/kcJ2NqMU76mF94nScjAKBggqhkjOPQQDAjAa\nMRgwFgYDVQQDDA9jb25zb2xlLmV4YW1wbGUwIBcNMjYwMTAxMDAwMDAwWhgPMjA5\nOTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD2NvbnNvbGUuZXhhbXBsZTBZMBMGByqG\nSM49AgEGCCqGSM49AwEHA0IABEieASZgHzo+AcCq0E0euCqv5CWzwFnQVgI/tz0H\nUWZ3zJ0XgKTRq/ut7VJCXYk+zEJ6t74LGkpjStUDhjrxmnswCgYIKoZIzj0EAwID\nRwAwRAIgW7Nbr44vTUzGeX+Opr42cjQpKv7Lb2eTWNcZPYalalwCIG6tdiRqzK7k\ne/QPAF2hpBMfBGWDp5XaUAwOZ0iOQHQg\n-----END CERTIFICATE-----\n", "table_allow_list": ["sales.orders"], "connect_timeout_s": 3, "schema_allow_list": ["public", "sales"], "statement_timeout_ms": 5000}, "system_instructions": "Answer in two sentences.\nNever guess."}', '{"fields": ["name", "description", "model_type", "system_instructions", "connection_type", "connection_config", "status"], "secrets": {"/api_key": "set", "/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('442a2b89-cdf1-4d9f-b990-370c52581c0a', 2, '0634d180-e611-4908-b551-792a0c40b583', 'agent.updated', 'Editor Person', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', '2026-11-25 23:53:50.817584+00', '{"name": "Sales", "status": "active", "secrets": ["/api_key", "/connection_config/password"], "created_at": "2026-11-25T23:53:50.798978+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": "gpt-5-mini", "description": "Was changed.", "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 6432, "dialect": "postgresql", "sslmode": "verify-full", "database": "sales", "username": "reader", "read_only": false, "row_limit": 10, "ssl_root_cert": "-----BEGIN CERTIFICATE-----\nMIIBNDCB3KADAgECAhRmZsNojxp/kcJ2NqMU76mF94nScjAKBggqhkjOPQQDAjAa\nMRgwFgYDVQQDDA9jb25zb2xlLmV4YW1wbGUwIBcNMjYwMTAxMDAwMDAwWhgPMjA5\nOTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD2NvbnNvbGUuZXhhbXBsZTBZMBMGByqG\nSM49AgEGCCqGSM49AwEHA0IABEieASZgHzo+AcCq0E0euCqv5CWzwFnQVgI/tz0H\nUWZ3zJ0XgKTRq/ut7VJCXYk+zEJ6t74LGkpjStUDhjrxmnswCgYIKoZIzj0EAwID\nRwAwRAIgW7Nbr44vTUzGeX+Opr42cjQpKv7Lb2eTWNcZPYalalwCIG6tdiRqzK7k\ne/QPAF2hpBMfBGWDp5XaUAwOZ0iOQHQg\n-----END CERTIFICATE-----\n", "table_allow_list": ["sales.orders"], "connect_timeout_s": 3, "schema_allow_list": ["public", "sales"], "statement_timeout_ms": 5000}, "system_instructions": "Answer in two sentences.\nNever guess."}', '{"fields": ["description", "connection_config"], "secrets": {}}', NULL);
INSERT INTO public.agent_versions VALUES ('442a2b89-cdf1-4d9f-b990-370c52581c0a', 3, '0634d180-e611-4908-b551-792a0c40b583', 'agent.updated', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.82542+00', '{"name": "Sales", "status": "active", "secrets": ["/api_key", "/connection_config/password"], "created_at": "2026-11-25T23:53:50.798978+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": "gpt-5-mini", "description": "Was changed.", "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 6432, "dialect": "postgresql", "sslmode": "verify-full", "database": "sales", "username": "reader", "read_only": false, "row_limit": 10, "ssl_root_cert": "-----BEGIN CERTIFICATE-----\nMIIBNDCB3KADAgECAhRmZsNojxp/kcJ2NqMU76mF94nScjAKBggqhkjOPQQDAjAa\nMRgwFgYDVQQDDA9jb25zb2xlLmV4YW1wbGUwIBcNMjYwMTAxMDAwMDAwWhgPMjA5\nOTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD2NvbnNvbGUuZXhhbXBsZTBZMBMGByqG\nSM49AgEGCCqGSM49AwEHA0IABEieASZgHzo+AcCq0E0euCqv5CWzwFnQVgI/tz0H\nUWZ3zJ0XgKTRq/ut7VJCXYk+zEJ6t74LGkpjStUDhjrxmnswCgYIKoZIzj0EAwID\nRwAwRAIgW7Nbr44vTUzGeX+Opr42cjQpKv7Lb2eTWNcZPYalalwCIG6tdiRqzK7k\ne/QPAF2hpBMfBGWDp5XaUAwOZ0iOQHQg\n-----END CERTIFICATE-----\n", "table_allow_list": ["sales.orders"], "connect_timeout_s": 3, "schema_allow_list": ["public", "sales"], "statement_timeout_ms": 5000}, "system_instructions": "Answer in two sentences.\nNever guess."}', '{"fields": [], "secrets": {"/api_key": "replaced"}}', NULL);
INSERT INTO public.agent_versions VALUES ('90570378-0584-4550-84f5-d32f02fbaa7a', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.cloned', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.833105+00', '{"name": "Copy of Sales", "status": "active", "secrets": ["/api_key", "/connection_config/password"], "created_at": "2026-11-25T23:53:50.830951+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": "gpt-5-mini", "description": "Was changed.", "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 6432, "dialect": "postgresql", "sslmode": "verify-full", "database": "sales", "username": "reader", "read_only": false, "row_limit": 10, "ssl_root_cert": "-----BEGIN CERTIFICATE-----\nMIIBNDCB3KADAgECAhRmZsNojxp/kcJ2NqMU76mF94nScjAKBggqhkjOPQQDAjAa\nMRgwFgYDVQQDDA9jb25zb2xlLmV4YW1wbGUwIBcNMjYwMTAxMDAwMDAwWhgPMjA5\nOTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD2NvbnNvbGUuZXhhbXBsZTBZMBMGByqG\nSM49AgEGCCqGSM49AwEHA0IABEieASZgHzo+AcCq0E0euCqv5CWzwFnQVgI/tz0H\nUWZ3zJ0XgKTRq/ut7VJCXYk+zEJ6t74LGkpjStUDhjrxmnswCgYIKoZIzj0EAwID\nRwAwRAIgW7Nbr44vTUzGeX+Opr42cjQpKv7Lb2eTWNcZPYalalwCIG6tdiRqzK7k\ne/QPAF2hpBMfBGWDp5XaUAwOZ0iOQHQg\n-----END CERTIFICATE-----\n", "table_allow_list": ["sales.orders"], "connect_timeout_s": 3, "schema_allow_list": ["public", "sales"], "statement_timeout_ms": 5000}, "system_instructions": "Answer in two sentences.\nNever guess."}', '{"fields": ["name", "description", "model_type", "system_instructions", "connection_type", "connection_config", "status"], "secrets": {"/api_key": "set", "/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('290d2f99-1ed6-4954-9129-db882dca7162', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.838764+00', '{"name": "Bare", "status": "active", "secrets": [], "created_at": "2026-11-25T23:53:50.836943+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 3306, "dialect": "mysql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {}}', NULL);
INSERT INTO public.agent_versions VALUES ('a5c7eb35-4fd5-46af-bfc4-6d8ebfe1a505', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Editor Person', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', '2026-11-25 23:53:50.84451+00', '{"name": "Stock ß Σ", "status": "active", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:50.842600+00:00", "created_by": "8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 1433, "dialect": "mssql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('a5c7eb35-4fd5-46af-bfc4-6d8ebfe1a505', 2, '0634d180-e611-4908-b551-792a0c40b583', 'agent.disabled', 'Editor Person', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', '2026-11-25 23:53:50.851595+00', '{"name": "Stock ß Σ", "status": "disabled", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:50.842600+00:00", "created_by": "8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883", "model_type": null, "description": null, "status_reason": "The warehouse moves.", "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 1433, "dialect": "mssql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["status", "status_reason"], "secrets": {}}', NULL);
INSERT INTO public.agent_versions VALUES ('72d6def3-4813-49d6-8adf-2471acff6d00', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.860696+00', '{"name": "Reports", "status": "active", "secrets": ["/connection_config/client_secret"], "created_at": "2026-11-25T23:53:50.858219+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "POWERBI", "connection_config": {"cloud": "usgov", "client_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "row_limit": 500, "tenant_id": "contoso.example.org", "timeout_s": 30, "dataset_id": "0da7a5e7-1111-4222-8333-444455556666", "auth_method": "client_secret", "workspace_id": "0c0ffee0-1111-4222-8333-444455556666", "allowed_tables": ["Sales", "Date"], "certificate_pem": null, "credential_expires_at": "2099-12-31", "impersonated_user_name": "reader@contoso.example.org"}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/connection_config/client_secret": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('c593b1ae-d7d7-40e5-85a4-23c6610a43ce', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'operator', NULL, '2026-11-25 23:53:50.866405+00', '{"name": "Of an operator", "status": "active", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:50.864547+00:00", "created_by": null, "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('4f905e80-b642-4ae1-82bd-3418bf9f6a98', 1, '42fdb819-d27c-4754-9502-a38495c6bc8a', 'agent.created', 'Otto Other', '9348cfb7-1a44-44ac-bf7e-910d86e666c6', '2026-11-25 23:53:50.877947+00', '{"name": "Elsewhere", "status": "active", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:50.875066+00:00", "created_by": "9348cfb7-1a44-44ac-bf7e-910d86e666c6", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('9210c70f-caf0-41de-b0bd-f42c69aee148', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.884194+00', '{"name": "Deleted database", "status": "active", "secrets": ["/api_key", "/connection_config/password"], "created_at": "2026-11-25T23:53:50.882181+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": "gpt-5-mini", "description": "Answers on sales.\nFor the board.", "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 6432, "dialect": "postgresql", "sslmode": "verify-full", "database": "sales", "username": "reader", "read_only": false, "row_limit": 77, "ssl_root_cert": "-----BEGIN CERTIFICATE-----\nMIIBNDCB3KADAgECAhRmZsNojxp/kcJ2NqMU76mF94nScjAKBggqhkjOPQQDAjAa\nMRgwFgYDVQQDDA9jb25zb2xlLmV4YW1wbGUwIBcNMjYwMTAxMDAwMDAwWhgPMjA5\nOTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD2NvbnNvbGUuZXhhbXBsZTBZMBMGByqG\nSM49AgEGCCqGSM49AwEHA0IABEieASZgHzo+AcCq0E0euCqv5CWzwFnQVgI/tz0H\nUWZ3zJ0XgKTRq/ut7VJCXYk+zEJ6t74LGkpjStUDhjrxmnswCgYIKoZIzj0EAwID\nRwAwRAIgW7Nbr44vTUzGeX+Opr42cjQpKv7Lb2eTWNcZPYalalwCIG6tdiRqzK7k\ne/QPAF2hpBMfBGWDp5XaUAwOZ0iOQHQg\n-----END CERTIFICATE-----\n", "table_allow_list": ["sales.orders"], "connect_timeout_s": 3, "schema_allow_list": ["public", "sales"], "statement_timeout_ms": 5000}, "system_instructions": "Answer in two sentences.\nNever guess."}', '{"fields": ["name", "description", "model_type", "system_instructions", "connection_type", "connection_config", "status"], "secrets": {"/api_key": "set", "/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('91dfd84c-d90b-4830-8860-a62b6263c73b', 3, '0634d180-e611-4908-b551-792a0c40b583', 'agent.deleted', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.924859+00', '{"name": "Deleted disabled", "status": "disabled", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:50.914988+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": "Was wrong.", "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": [], "secrets": {}}', '{"facts": {"/connection_config/password": {"set_at": "2026-11-25T23:53:50.914918+00:00", "set_by": "Ada Admin", "last_four": "ed 3"}}, "sealed": {"/connection_config/password": "v1:old:QfgF6XKfFCSdBXnxvkw9KJQA2gjstoCUI78khjvZhdeZnySco_ySyUK5ORW6"}}');
INSERT INTO public.agent_versions VALUES ('84dfe115-185d-4e1a-b051-cb31e7433778', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.896592+00', '{"name": "Deleted power_bi", "status": "active", "secrets": ["/connection_config/client_secret"], "created_at": "2026-11-25T23:53:50.894963+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "POWERBI", "connection_config": {"cloud": "usgov", "client_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "row_limit": 500, "tenant_id": "contoso.example.org", "timeout_s": 30, "dataset_id": "0da7a5e7-1111-4222-8333-444455556666", "auth_method": "client_secret", "workspace_id": "0c0ffee0-1111-4222-8333-444455556666", "allowed_tables": ["Sales", "Date"], "certificate_pem": null, "credential_expires_at": "2099-12-31", "impersonated_user_name": "reader@contoso.example.org"}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/connection_config/client_secret": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('4107dbbd-9625-48d5-be63-6616b406b88b', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.907174+00', '{"name": "Deleted bare", "status": "active", "secrets": [], "created_at": "2026-11-25T23:53:50.905439+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {}}', NULL);
INSERT INTO public.agent_versions VALUES ('4107dbbd-9625-48d5-be63-6616b406b88b', 2, '0634d180-e611-4908-b551-792a0c40b583', 'agent.deleted', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.911851+00', '{"name": "Deleted bare", "status": "active", "secrets": [], "created_at": "2026-11-25T23:53:50.905439+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": [], "secrets": {}}', '{"facts": {}, "sealed": {}}');
INSERT INTO public.agent_versions VALUES ('91dfd84c-d90b-4830-8860-a62b6263c73b', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.91635+00', '{"name": "Deleted disabled", "status": "active", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:50.914988+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('91dfd84c-d90b-4830-8860-a62b6263c73b', 2, '0634d180-e611-4908-b551-792a0c40b583', 'agent.disabled', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.920565+00', '{"name": "Deleted disabled", "status": "disabled", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:50.914988+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": "Was wrong.", "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["status", "status_reason"], "secrets": {}}', NULL);
INSERT INTO public.agent_versions VALUES ('d4c4cd9e-17cf-4bc1-a794-1ae77ba8bb20', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.940104+00', '{"name": "Back again", "status": "active", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:50.938681+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('d4c4cd9e-17cf-4bc1-a794-1ae77ba8bb20', 3, '0634d180-e611-4908-b551-792a0c40b583', 'agent.restored', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.953174+00', '{"name": "Back again", "status": "active", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:50.938681+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {}}', NULL);
INSERT INTO public.agent_versions VALUES ('d4c4cd9e-17cf-4bc1-a794-1ae77ba8bb20', 2, '0634d180-e611-4908-b551-792a0c40b583', 'agent.deleted', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.944135+00', '{"name": "Back again", "status": "active", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:50.938681+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": [], "secrets": {}}', NULL);
INSERT INTO public.agent_versions VALUES ('6b066b63-9fe4-428c-82a7-de57b9847dcb', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Gone Person', NULL, '2026-11-25 23:53:50.871911+00', '{"name": "Of someone gone", "status": "active", "secrets": [], "created_at": "2026-11-25T23:53:50.869995+00:00", "created_by": "d410059b-26ec-4fb6-be2b-e27f6647a22f", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {}}', NULL);
INSERT INTO public.agent_versions VALUES ('80823973-9474-453b-b7f2-2563414b4dbf', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Gone Person', NULL, '2026-11-25 23:53:50.930099+00', '{"name": "Deleted of_someone_gone", "status": "active", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:50.928403+00:00", "created_by": "d410059b-26ec-4fb6-be2b-e27f6647a22f", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('80823973-9474-453b-b7f2-2563414b4dbf', 2, '0634d180-e611-4908-b551-792a0c40b583', 'agent.deleted', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.935069+00', '{"name": "Deleted of_someone_gone", "status": "active", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:50.928403+00:00", "created_by": "d410059b-26ec-4fb6-be2b-e27f6647a22f", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": [], "secrets": {}}', '{"facts": {"/connection_config/password": {"set_at": "2026-11-25T23:53:50.928313+00:00", "set_by": "Gone Person", "last_four": null}}, "sealed": {"/connection_config/password": "v1:old:WJ18RlBseV2CTUF1_M4VTGe0x0WL0MEMHQKO_7buiDIbgeuZUlDFhjk"}}');
INSERT INTO public.agent_versions VALUES ('84dfe115-185d-4e1a-b051-cb31e7433778', 2, '0634d180-e611-4908-b551-792a0c40b583', 'agent.deleted', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.901458+00', '{"name": "Deleted power_bi", "status": "active", "secrets": ["/connection_config/client_secret"], "created_at": "2026-11-25T23:53:50.894963+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "POWERBI", "connection_config": {"cloud": "usgov", "client_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "row_limit": 500, "tenant_id": "contoso.example.org", "timeout_s": 30, "dataset_id": "0da7a5e7-1111-4222-8333-444455556666", "auth_method": "client_secret", "workspace_id": "0c0ffee0-1111-4222-8333-444455556666", "allowed_tables": ["Sales", "Date"], "certificate_pem": null, "credential_expires_at": "2099-12-31", "impersonated_user_name": "reader@contoso.example.org"}, "system_instructions": null}', '{"fields": [], "secrets": {}}', '{"facts": {"/connection_config/client_secret": {"set_at": "2026-11-25T23:53:50.894870+00:00", "set_by": "Ada Admin", "last_four": "orts"}}, "sealed": {"/connection_config/client_secret": "v1:old:H5ya1w679jpyf18UP7ha71mPWOTkVBGfPeZvCDjBjyBiKvhSqgbm96s10tvtOPdwifBujpB4wUU"}}');
INSERT INTO public.agent_versions VALUES ('9210c70f-caf0-41de-b0bd-f42c69aee148', 2, '0634d180-e611-4908-b551-792a0c40b583', 'agent.deleted', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.890389+00', '{"name": "Deleted database", "status": "active", "secrets": ["/api_key", "/connection_config/password"], "created_at": "2026-11-25T23:53:50.882181+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": "gpt-5-mini", "description": "Answers on sales.\nFor the board.", "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 6432, "dialect": "postgresql", "sslmode": "verify-full", "database": "sales", "username": "reader", "read_only": false, "row_limit": 77, "ssl_root_cert": "-----BEGIN CERTIFICATE-----\nMIIBNDCB3KADAgECAhRmZsNojxp/kcJ2NqMU76mF94nScjAKBggqhkjOPQQDAjAa\nMRgwFgYDVQQDDA9jb25zb2xlLmV4YW1wbGUwIBcNMjYwMTAxMDAwMDAwWhgPMjA5\nOTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD2NvbnNvbGUuZXhhbXBsZTBZMBMGByqG\nSM49AgEGCCqGSM49AwEHA0IABEieASZgHzo+AcCq0E0euCqv5CWzwFnQVgI/tz0H\nUWZ3zJ0XgKTRq/ut7VJCXYk+zEJ6t74LGkpjStUDhjrxmnswCgYIKoZIzj0EAwID\nRwAwRAIgW7Nbr44vTUzGeX+Opr42cjQpKv7Lb2eTWNcZPYalalwCIG6tdiRqzK7k\ne/QPAF2hpBMfBGWDp5XaUAwOZ0iOQHQg\n-----END CERTIFICATE-----\n", "table_allow_list": ["sales.orders"], "connect_timeout_s": 3, "schema_allow_list": ["public", "sales"], "statement_timeout_ms": 5000}, "system_instructions": "Answer in two sentences.\nNever guess."}', '{"fields": [], "secrets": {}}', '{"facts": {"/api_key": {"set_at": "2026-11-25T23:53:50.882069+00:00", "set_by": "Ada Admin", "last_four": "0001"}, "/connection_config/password": {"set_at": "2026-11-25T23:53:50.882034+00:00", "set_by": "Ada Admin", "last_four": "ales"}}, "sealed": {"/api_key": "v1:old:nEXe2JefY1gTSuonaBbkgRUId_yYAyhqsQL0Uj05h2P8ePfwiHh5ldYOtcSW1ZdnsdPrGQAs", "/connection_config/password": "v1:old:klp4rOlzv_mtCmDGVyJbMIEpkEBZvJzRWwO2alNThq92Zjo_tdjlD2V0zU5SLNVW"}}');
INSERT INTO public.agent_versions VALUES ('f9e4c6a1-9fac-4bcc-b2f3-1126f8de20a3', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.168657+00', '{"name": "Ledger", "status": "active", "secrets": ["/connection_config/private_key_password", "/connection_config/private_key_pem"], "created_at": "2026-11-25T23:53:51.162391+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "POWERBI", "connection_config": {"cloud": "public", "client_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "row_limit": 1000, "tenant_id": "contoso.example.org", "timeout_s": 60, "dataset_id": "0da7a5e7-1111-4222-8333-444455556666", "auth_method": "certificate", "workspace_id": "0c0ffee0-1111-4222-8333-444455556666", "allowed_tables": [], "certificate_pem": "-----BEGIN CERTIFICATE-----\nMIIBNTCB3KADAgECAhR7HjvWZAGwZNq5YZx6AFLwA+Xg9zAKBggqhkjOPQQDAjAa\nMRgwFgYDVQQDDA9jb25zb2xlLmV4YW1wbGUwIBcNMjYwMTAxMDAwMDAwWhgPMjA5\nOTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD2NvbnNvbGUuZXhhbXBsZTBZMBMGByqG\nSM49AgEGCCqGSM49AwEHA0IABEb7x52wsJWSUW7Cw2G/MxZXmR1NTA5qHFPx6BlC\nzBM24PTVLPb19m7XhNKDNvEUk/keGWEGSTixAuLzrqsi3wEwCgYIKoZIzj0EAwID\nSAAwRQIhAPzHNfkLXyKIHp/cs060I8Lhcuy7qJO4+1t+TjlMYNqEAiBhMrwte9OS\neUKTG1CQcf3l+i3QYVDhU+opS0x+yAW6GQ==\n-----END CERTIFICATE-----\n", "credential_expires_at": null, "impersonated_user_name": null}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/connection_config/private_key_pem": "set", "/connection_config/private_key_password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('77a1537b-e0de-4234-baa3-0dcf6ac9109f', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.177237+00', '{"name": "Careless", "status": "active", "secrets": [], "created_at": "2026-11-25T23:53:51.175085+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "POWERBI", "connection_config": {"cloud": "public", "client_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "row_limit": 1000, "tenant_id": "contoso.example.org", "timeout_s": 60, "dataset_id": "0da7a5e7-1111-4222-8333-444455556666", "auth_method": "certificate", "workspace_id": "0c0ffee0-1111-4222-8333-444455556666", "allowed_tables": [], "certificate_pem": "-----BEGIN CERTIFICATE-----\nMIIBNTCB3KADAgECAhR7HjvWZAGwZNq5YZx6AFLwA+Xg9zAKBggqhkjOPQQDAjAa\nMRgwFgYDVQQDDA9jb25zb2xlLmV4YW1wbGUwIBcNMjYwMTAxMDAwMDAwWhgPMjA5\nOTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD2NvbnNvbGUuZXhhbXBsZTBZMBMGByqG\nSM49AgEGCCqGSM49AwEHA0IABEb7x52wsJWSUW7Cw2G/MxZXmR1NTA5qHFPx6BlC\nzBM24PTVLPb19m7XhNKDNvEUk/keGWEGSTixAuLzrqsi3wEwCgYIKoZIzj0EAwID\nSAAwRQIhAPzHNfkLXyKIHp/cs060I8Lhcuy7qJO4+1t+TjlMYNqEAiBhMrwte9OS\neUKTG1CQcf3l+i3QYVDhU+opS0x+yAW6GQ==\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgz7gKU8yUfEY2Uwa2\n8nUMDNLzdjHW3/f647858dHck7ahRANCAARG+8edsLCVklFuwsNhvzMWV5kdTUwO\nahxT8egZQswTNuD01Sz29fZu14TSgzbxFJP5HhlhBkk4sQLi866rIt8B\n-----END PRIVATE KEY-----\n", "credential_expires_at": null, "impersonated_user_name": null}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {}}', NULL);
INSERT INTO public.agent_versions VALUES ('f30a3a36-3e1a-44b9-aa1b-9ba33a182989', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.182667+00', '{"name": "Deleted careless", "status": "active", "secrets": [], "created_at": "2026-11-25T23:53:51.180952+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "POWERBI", "connection_config": {"cloud": "public", "client_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "row_limit": 1000, "tenant_id": "contoso.example.org", "timeout_s": 60, "dataset_id": "0da7a5e7-1111-4222-8333-444455556666", "auth_method": "certificate", "workspace_id": "0c0ffee0-1111-4222-8333-444455556666", "allowed_tables": [], "certificate_pem": "-----BEGIN CERTIFICATE-----\nMIIBNTCB3KADAgECAhR7HjvWZAGwZNq5YZx6AFLwA+Xg9zAKBggqhkjOPQQDAjAa\nMRgwFgYDVQQDDA9jb25zb2xlLmV4YW1wbGUwIBcNMjYwMTAxMDAwMDAwWhgPMjA5\nOTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD2NvbnNvbGUuZXhhbXBsZTBZMBMGByqG\nSM49AgEGCCqGSM49AwEHA0IABEb7x52wsJWSUW7Cw2G/MxZXmR1NTA5qHFPx6BlC\nzBM24PTVLPb19m7XhNKDNvEUk/keGWEGSTixAuLzrqsi3wEwCgYIKoZIzj0EAwID\nSAAwRQIhAPzHNfkLXyKIHp/cs060I8Lhcuy7qJO4+1t+TjlMYNqEAiBhMrwte9OS\neUKTG1CQcf3l+i3QYVDhU+opS0x+yAW6GQ==\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgz7gKU8yUfEY2Uwa2\n8nUMDNLzdjHW3/f647858dHck7ahRANCAARG+8edsLCVklFuwsNhvzMWV5kdTUwO\nahxT8egZQswTNuD01Sz29fZu14TSgzbxFJP5HhlhBkk4sQLi866rIt8B\n-----END PRIVATE KEY-----\n", "credential_expires_at": null, "impersonated_user_name": null}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {}}', NULL);
INSERT INTO public.agent_versions VALUES ('f30a3a36-3e1a-44b9-aa1b-9ba33a182989', 2, '0634d180-e611-4908-b551-792a0c40b583', 'agent.deleted', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.190212+00', '{"name": "Deleted careless", "status": "active", "secrets": [], "created_at": "2026-11-25T23:53:51.180952+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "POWERBI", "connection_config": {"cloud": "public", "client_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "row_limit": 1000, "tenant_id": "contoso.example.org", "timeout_s": 60, "dataset_id": "0da7a5e7-1111-4222-8333-444455556666", "auth_method": "certificate", "workspace_id": "0c0ffee0-1111-4222-8333-444455556666", "allowed_tables": [], "certificate_pem": "-----BEGIN CERTIFICATE-----\nMIIBNTCB3KADAgECAhR7HjvWZAGwZNq5YZx6AFLwA+Xg9zAKBggqhkjOPQQDAjAa\nMRgwFgYDVQQDDA9jb25zb2xlLmV4YW1wbGUwIBcNMjYwMTAxMDAwMDAwWhgPMjA5\nOTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD2NvbnNvbGUuZXhhbXBsZTBZMBMGByqG\nSM49AgEGCCqGSM49AwEHA0IABEb7x52wsJWSUW7Cw2G/MxZXmR1NTA5qHFPx6BlC\nzBM24PTVLPb19m7XhNKDNvEUk/keGWEGSTixAuLzrqsi3wEwCgYIKoZIzj0EAwID\nSAAwRQIhAPzHNfkLXyKIHp/cs060I8Lhcuy7qJO4+1t+TjlMYNqEAiBhMrwte9OS\neUKTG1CQcf3l+i3QYVDhU+opS0x+yAW6GQ==\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgz7gKU8yUfEY2Uwa2\n8nUMDNLzdjHW3/f647858dHck7ahRANCAARG+8edsLCVklFuwsNhvzMWV5kdTUwO\nahxT8egZQswTNuD01Sz29fZu14TSgzbxFJP5HhlhBkk4sQLi866rIt8B\n-----END PRIVATE KEY-----\n", "credential_expires_at": null, "impersonated_user_name": null}, "system_instructions": null}', '{"fields": [], "secrets": {}}', '{"facts": {}, "sealed": {}}');
INSERT INTO public.agent_versions VALUES ('b04d2b8c-f3e6-4859-a740-380bbd03eb4b', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.196246+00', '{"name": "Unparsed", "status": "active", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:51.194680+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "verify-ca", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n", "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('dd64686d-6bad-5fe3-8a71-c92d04115443', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Editor Person', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', '2026-11-25 23:53:51.856489+00', '{"name": "Of a page", "status": "active", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:51.854278+00:00", "created_by": "8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": false, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('a7b088e7-18d0-5731-abb6-871ce817fa51', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'token write token', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.939636+00', '{"name": "Keyed untouched", "status": "active", "secrets": ["/api_key", "/connection_config/password"], "created_at": "2026-11-25T23:53:51.932409+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/api_key": "set", "/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('9b4e0f76-f523-5c9d-8b83-7cb6c06ef5c1', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'token write token', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.961169+00', '{"name": "Keyed changed", "status": "active", "secrets": ["/api_key", "/connection_config/password"], "created_at": "2026-11-25T23:53:51.958960+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/api_key": "set", "/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('cffa9592-05a7-5647-a0e9-5a9a8e736a58', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'token write token', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.972465+00', '{"name": "Keyed deleted", "status": "active", "secrets": ["/api_key", "/connection_config/password"], "created_at": "2026-11-25T23:53:51.970311+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/api_key": "set", "/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('9b4e0f76-f523-5c9d-8b83-7cb6c06ef5c1', 2, '0634d180-e611-4908-b551-792a0c40b583', 'agent.updated', 'token write token', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.99013+00', '{"name": "Keyed changed", "status": "active", "secrets": ["/api_key", "/connection_config/password"], "created_at": "2026-11-25T23:53:51.958960+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": "Now with one.", "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["description"], "secrets": {}}', NULL);
INSERT INTO public.agent_versions VALUES ('cffa9592-05a7-5647-a0e9-5a9a8e736a58', 2, '0634d180-e611-4908-b551-792a0c40b583', 'agent.deleted', 'token write token', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:52.004165+00', '{"name": "Keyed deleted", "status": "active", "secrets": ["/api_key", "/connection_config/password"], "created_at": "2026-11-25T23:53:51.970311+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": [], "secrets": {}}', '{"facts": {"/api_key": {"set_at": "2026-11-25T23:53:51.970204+00:00", "set_by": "token write token", "last_four": "0001"}, "/connection_config/password": {"set_at": "2026-11-25T23:53:51.970171+00:00", "set_by": "token write token", "last_four": null}}, "sealed": {"/api_key": "v1:new:ESgwstnZRBLGg_JQSWrLDHHfcNIaNt5ljD5Ew24ycjCpubB23PqikOXVbLd968teK_VHv7w7", "/connection_config/password": "v1:new:xmFVrB9qG1145VvO6JPb7AJb_uH96VmCwO6m3m7BN6x5JUlx6ZFPF6os"}}');
INSERT INTO public.agent_versions VALUES ('eef64c7d-8db6-48bc-b70c-4ca47bbe2dbe', 1, '0634d180-e611-4908-b551-792a0c40b583', 'agent.created', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:52.296043+00', '{"name": "Deleted without its secrets", "status": "active", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:52.287663+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": ["name", "connection_type", "connection_config", "status"], "secrets": {"/connection_config/password": "set"}}', NULL);
INSERT INTO public.agent_versions VALUES ('eef64c7d-8db6-48bc-b70c-4ca47bbe2dbe', 2, '0634d180-e611-4908-b551-792a0c40b583', 'agent.deleted', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:52.308851+00', '{"name": "Deleted without its secrets", "status": "active", "secrets": ["/connection_config/password"], "created_at": "2026-11-25T23:53:52.287663+00:00", "created_by": "bb6be698-d140-485b-90fe-78b105b58911", "model_type": null, "description": null, "status_reason": null, "connection_type": "DB", "connection_config": {"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}, "system_instructions": null}', '{"fields": [], "secrets": {}}', NULL);


--
-- Data for Name: agents; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.agents VALUES ('290d2f99-1ed6-4954-9129-db882dca7162', 'Bare', NULL, 'active', NULL, NULL, NULL, 'DB', '{"host": "db.example.org", "port": 3306, "dialect": "mysql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.836943+00', '2026-11-25 23:53:50.83699+00', 1, NULL, NULL, '{}', 'bare', 'bare
db.example.org
mysql
sales');
INSERT INTO public.agents VALUES ('6b066b63-9fe4-428c-82a7-de57b9847dcb', 'Of someone gone', NULL, 'active', NULL, NULL, NULL, 'DB', '{"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}', '0634d180-e611-4908-b551-792a0c40b583', NULL, '2026-11-25 23:53:50.869995+00', '2026-11-25 23:53:50.870036+00', 1, NULL, NULL, '{}', 'of someone gone', 'of someone gone
db.example.org
postgresql
sales');
INSERT INTO public.agents VALUES ('72d6def3-4813-49d6-8adf-2471acff6d00', 'Reports', NULL, 'active', NULL, NULL, NULL, 'POWERBI', '{"cloud": "usgov", "client_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "row_limit": 500, "tenant_id": "contoso.example.org", "timeout_s": 30, "dataset_id": "0da7a5e7-1111-4222-8333-444455556666", "auth_method": "client_secret", "workspace_id": "0c0ffee0-1111-4222-8333-444455556666", "client_secret": {"$enc": "v1:old:Negy4Wv9azCqIMUunh6Q9-zaUFHm7DQPJo22CMSwaqITkBzP6C3spvQ8oopEefS-z6k76NTR_1s"}, "allowed_tables": ["Sales", "Date"], "certificate_pem": null, "credential_expires_at": "2099-12-31", "impersonated_user_name": "reader@contoso.example.org"}', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.858219+00', '2026-11-25 23:53:50.858284+00', 1, NULL, '2099-12-31', '{"/connection_config/client_secret": {"set_at": "2026-11-25T23:53:50.858075+00:00", "set_by": "Ada Admin", "last_four": "orts"}}', 'reports', 'reports
0da7a5e7-1111-4222-8333-444455556666
0c0ffee0-1111-4222-8333-444455556666');
INSERT INTO public.agents VALUES ('90570378-0584-4550-84f5-d32f02fbaa7a', 'Copy of Sales', 'Was changed.', 'active', 'gpt-5-mini', 'v1:old:DiVAr0LYfnsjLVJQ0x5owBsIERxX9Uar4slUXeK7QmDleI5bsKqrLC2S_DBrTCT1icb48ZOh8g', 'Answer in two sentences.
Never guess.', 'DB', '{"host": "db.example.org", "port": 6432, "dialect": "postgresql", "sslmode": "verify-full", "database": "sales", "password": {"$enc": "v1:old:sCacsWdonbDWpryv4t295QzSiwg3L5mQNeYKAlXYWH6K52O_lBAsfwTvf9czMs9o"}, "username": "reader", "read_only": false, "row_limit": 10, "ssl_root_cert": "-----BEGIN CERTIFICATE-----\nMIIBNDCB3KADAgECAhRmZsNojxp/kcJ2NqMU76mF94nScjAKBggqhkjOPQQDAjAa\nMRgwFgYDVQQDDA9jb25zb2xlLmV4YW1wbGUwIBcNMjYwMTAxMDAwMDAwWhgPMjA5\nOTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD2NvbnNvbGUuZXhhbXBsZTBZMBMGByqG\nSM49AgEGCCqGSM49AwEHA0IABEieASZgHzo+AcCq0E0euCqv5CWzwFnQVgI/tz0H\nUWZ3zJ0XgKTRq/ut7VJCXYk+zEJ6t74LGkpjStUDhjrxmnswCgYIKoZIzj0EAwID\nRwAwRAIgW7Nbr44vTUzGeX+Opr42cjQpKv7Lb2eTWNcZPYalalwCIG6tdiRqzK7k\ne/QPAF2hpBMfBGWDp5XaUAwOZ0iOQHQg\n-----END CERTIFICATE-----\n", "table_allow_list": ["sales.orders"], "connect_timeout_s": 3, "schema_allow_list": ["public", "sales"], "statement_timeout_ms": 5000}', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.830951+00', '2026-11-25 23:53:50.831+00', 1, NULL, NULL, '{"/api_key": {"set_at": "2026-11-25T23:53:50.830754+00:00", "set_by": "Ada Admin", "last_four": "0002"}, "/connection_config/password": {"set_at": "2026-11-25T23:53:50.830844+00:00", "set_by": "Ada Admin", "last_four": "ales"}}', 'copy of sales', 'copy of sales
was changed.
gpt-5-mini
db.example.org
postgresql
sales');
INSERT INTO public.agents VALUES ('a5c7eb35-4fd5-46af-bfc4-6d8ebfe1a505', 'Stock ß Σ', NULL, 'disabled', NULL, NULL, NULL, 'DB', '{"host": "db.example.org", "port": 1433, "dialect": "mssql", "sslmode": "require", "database": "sales", "password": {"$enc": "v1:old:K6lIXlnxxG3yBqKue4-EVZvadvHegl4LdzjReUXsCafK"}, "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}', '0634d180-e611-4908-b551-792a0c40b583', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', '2026-11-25 23:53:50.8426+00', '2026-11-25 23:53:50.848682+00', 2, 'The warehouse moves.', NULL, '{"/connection_config/password": {"set_at": "2026-11-25T23:53:50.842507+00:00", "set_by": "Editor Person", "last_four": null}}', 'stock ss σ', 'stock ss σ
db.example.org
mssql
sales');
INSERT INTO public.agents VALUES ('c593b1ae-d7d7-40e5-85a4-23c6610a43ce', 'Of an operator', NULL, 'active', NULL, NULL, NULL, 'DB', '{"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "password": {"$enc": "v1:old:YfXFj5RTlt3XQ4X0d4qi3GVjCMcxUqKKapGiyHtLgeaUbS3FUgW8gWca"}, "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}', '0634d180-e611-4908-b551-792a0c40b583', NULL, '2026-11-25 23:53:50.864547+00', '2026-11-25 23:53:50.86459+00', 1, NULL, NULL, '{"/connection_config/password": {"set_at": "2026-11-25T23:53:50.864456+00:00", "set_by": "operator", "last_four": null}}', 'of an operator', 'of an operator
db.example.org
postgresql
sales');
INSERT INTO public.agents VALUES ('4f905e80-b642-4ae1-82bd-3418bf9f6a98', 'Elsewhere', NULL, 'active', NULL, NULL, NULL, 'DB', '{"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "password": {"$enc": "v1:old:tpx0kPpHA8Loit1ojhUZuMqyZ4m4FJNvHgPWCfMUK7PoeLZAiF0NF4aGLNbo"}, "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}', '42fdb819-d27c-4754-9502-a38495c6bc8a', '9348cfb7-1a44-44ac-bf7e-910d86e666c6', '2026-11-25 23:53:50.875066+00', '2026-11-25 23:53:50.875127+00', 1, NULL, NULL, '{"/connection_config/password": {"set_at": "2026-11-25T23:53:50.874961+00:00", "set_by": "Otto Other", "last_four": "''s 7"}}', 'elsewhere', 'elsewhere
db.example.org
postgresql
sales');
INSERT INTO public.agents VALUES ('d4c4cd9e-17cf-4bc1-a794-1ae77ba8bb20', 'Back again', NULL, 'active', NULL, NULL, NULL, 'DB', '{"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "password": {"$enc": "v1:old:fTEzXX5dnRa6ZXbnuDTg3_-1atUkhlhFDlCYdY-bMnJk8yKMV7GScAWvvGrF"}, "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.938681+00', '2026-11-25 23:53:50.950837+00', 3, NULL, NULL, '{"/connection_config/password": {"set_at": "2026-11-25T23:53:50.938612+00:00", "set_by": "Ada Admin", "last_four": "ed 6"}}', 'back again', 'back again
db.example.org
postgresql
sales');
INSERT INTO public.agents VALUES ('a7b088e7-18d0-5731-abb6-871ce817fa51', 'Keyed untouched', NULL, 'active', NULL, 'v1:new:4BxVBsdybrCqH7fJQRyxgfuyq47sSLy2jJNddgV3W4fZH0xEVf3pFWg1UkbGArET6NUlgly-', NULL, 'DB', '{"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "password": {"$enc": "v1:new:0mxkIFG-FXqSdOQ95FzNijZJ_BccDLSXx8oJddVb8VGzIhFpVwF3TtCG"}, "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.932409+00', '2026-11-25 23:53:51.93253+00', 1, NULL, NULL, '{"/api_key": {"set_at": "2026-11-25T23:53:51.932292+00:00", "set_by": "token write token", "last_four": "0001"}, "/connection_config/password": {"set_at": "2026-11-25T23:53:51.932251+00:00", "set_by": "token write token", "last_four": null}}', 'keyed untouched', 'keyed untouched
db.example.org
postgresql
sales');
INSERT INTO public.agents VALUES ('9b4e0f76-f523-5c9d-8b83-7cb6c06ef5c1', 'Keyed changed', 'Now with one.', 'active', NULL, 'v1:new:DwlwF01YBD8DUuDRlWyAofiMV7RKVEhtscGhjr2kbdX2bDuVoeIiFjYLnpSivP8EWedjFaSt', NULL, 'DB', '{"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "password": {"$enc": "v1:new:Gcftg4QMyZhKFpDNqyND-_feGbQ_6cfG6bwKWvb4ftaqGCzYl6mgZM-c"}, "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.95896+00', '2026-11-25 23:53:51.987362+00', 2, NULL, NULL, '{"/api_key": {"set_at": "2026-11-25T23:53:51.958831+00:00", "set_by": "token write token", "last_four": "0001"}, "/connection_config/password": {"set_at": "2026-11-25T23:53:51.958742+00:00", "set_by": "token write token", "last_four": null}}', 'keyed changed', 'keyed changed
now with one.
db.example.org
postgresql
sales');
INSERT INTO public.agents VALUES ('442a2b89-cdf1-4d9f-b990-370c52581c0a', 'Sales', 'Was changed.', 'active', 'gpt-5-mini', 'v1:old:CzhwkLYuDxxSkrp0E4FhpBK3rSH2so6QnnsXgSqEjLcPodTi_oSlbVFvq0L73LEbwKUpubROhA', 'Answer in two sentences.
Never guess.', 'DB', '{"host": "db.example.org", "port": 6432, "dialect": "postgresql", "sslmode": "verify-full", "database": "sales", "password": {"$enc": "v1:old:8OJSqi-Y876NU502lRJpF6JPcKOy_FDAL6-5lqzJetmYMB_JzxwUI4zqmBhh7g8I"}, "username": "reader", "read_only": false, "row_limit": 10, "ssl_root_cert": "-----BEGIN CERTIFICATE-----\nMIIBNDCB3KADAgECAhRmZsNojxp/kcJ2NqMU76mF94nScjAKBggqhkjOPQQDAjAa\nMRgwFgYDVQQDDA9jb25zb2xlLmV4YW1wbGUwIBcNMjYwMTAxMDAwMDAwWhgPMjA5\nOTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD2NvbnNvbGUuZXhhbXBsZTBZMBMGByqG\nSM49AgEGCCqGSM49AwEHA0IABEieASZgHzo+AcCq0E0euCqv5CWzwFnQVgI/tz0H\nUWZ3zJ0XgKTRq/ut7VJCXYk+zEJ6t74LGkpjStUDhjrxmnswCgYIKoZIzj0EAwID\nRwAwRAIgW7Nbr44vTUzGeX+Opr42cjQpKv7Lb2eTWNcZPYalalwCIG6tdiRqzK7k\ne/QPAF2hpBMfBGWDp5XaUAwOZ0iOQHQg\n-----END CERTIFICATE-----\n", "table_allow_list": ["sales.orders"], "connect_timeout_s": 3, "schema_allow_list": ["public", "sales"], "statement_timeout_ms": 5000}', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.798978+00', '2026-11-25 23:53:50.823093+00', 3, NULL, NULL, '{"/api_key": {"set_at": "2026-11-25T23:53:50.822935+00:00", "set_by": "Ada Admin", "last_four": "0002"}, "/connection_config/password": {"set_at": "2026-11-25T23:53:50.798790+00:00", "set_by": "Ada Admin", "last_four": "ales"}}', 'sales', 'sales
was changed.
gpt-5-mini
db.example.org
postgresql
sales');
INSERT INTO public.agents VALUES ('f9e4c6a1-9fac-4bcc-b2f3-1126f8de20a3', 'Ledger', NULL, 'active', NULL, NULL, NULL, 'POWERBI', '{"cloud": "public", "client_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "row_limit": 1000, "tenant_id": "contoso.example.org", "timeout_s": 60, "dataset_id": "0da7a5e7-1111-4222-8333-444455556666", "auth_method": "certificate", "workspace_id": "0c0ffee0-1111-4222-8333-444455556666", "allowed_tables": [], "certificate_pem": "-----BEGIN CERTIFICATE-----\nMIIBNTCB3KADAgECAhR7HjvWZAGwZNq5YZx6AFLwA+Xg9zAKBggqhkjOPQQDAjAa\nMRgwFgYDVQQDDA9jb25zb2xlLmV4YW1wbGUwIBcNMjYwMTAxMDAwMDAwWhgPMjA5\nOTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD2NvbnNvbGUuZXhhbXBsZTBZMBMGByqG\nSM49AgEGCCqGSM49AwEHA0IABEb7x52wsJWSUW7Cw2G/MxZXmR1NTA5qHFPx6BlC\nzBM24PTVLPb19m7XhNKDNvEUk/keGWEGSTixAuLzrqsi3wEwCgYIKoZIzj0EAwID\nSAAwRQIhAPzHNfkLXyKIHp/cs060I8Lhcuy7qJO4+1t+TjlMYNqEAiBhMrwte9OS\neUKTG1CQcf3l+i3QYVDhU+opS0x+yAW6GQ==\n-----END CERTIFICATE-----\n", "private_key_pem": {"$enc": "v1:new:bUsa5vOL-S4UNYl7rwpaqoGL8IRL5gGWh58nazVfCnY3biWtJN5NT14BT5jfY2zh14MMcfVAHPwGxnjxIpyPyTisLk6Yt17w3PY-al1bf4ba9ljiuEhvaqm-4b2WGQs_W7lX-XXzQ5bbHHrjqPx5mwH62zhhpmRPhP-KKMWlYimxbEfLPLJjVyDkZFXElMGw6VmxOhv9_HG7N1ICm62sn9KM4rJs9vQ5tH8yMhQOpHw993jutHcPSwgjQhiR8BZxFR_OsHe4N-q7f5caovVqPmPA0XBXVVYMtoO_95QDnkTQkqzrD-EngWiyk388L9fw_iMUjJVj3EXdSMG3oUFHGnTpInhsEi855eY8W1A6TrVFwkqG9lrnhIjj3r7qq8SG1atruG62xokLAGWZRmzPi0920x1fAWiByoKH_LbLGm_7X_z_C9L_aOEEsNMZrHRmCS20lXSpN1RCV5TlthMd0M-afjAWrEhSsF3yKJQtp_2jBX6blnfW6bwYzC9pm9yfBkYxOaZJzNZPCEda6J6u8rHOag3VscRnbxhbKfctpXK65GdM5wKPrvOLCpA12qVr3Tsa4eLnw8c"}, "private_key_password": {"$enc": "v1:new:4pfn9hL5wr1l6lM0mGDB4pVrD0t97XpQ6nYicaTWEQfgMVKimxu3hbs"}, "credential_expires_at": null, "impersonated_user_name": null}', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.162391+00', '2026-11-25 23:53:51.162432+00', 1, NULL, NULL, '{"/connection_config/private_key_pem": {"set_at": "2026-11-25T23:53:51.162262+00:00", "set_by": "Ada Admin", "last_four": null}, "/connection_config/private_key_password": {"set_at": "2026-11-25T23:53:51.162298+00:00", "set_by": "Ada Admin", "last_four": null}}', 'ledger', 'ledger
0da7a5e7-1111-4222-8333-444455556666
0c0ffee0-1111-4222-8333-444455556666');
INSERT INTO public.agents VALUES ('77a1537b-e0de-4234-baa3-0dcf6ac9109f', 'Careless', NULL, 'active', NULL, NULL, NULL, 'POWERBI', '{"cloud": "public", "client_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "row_limit": 1000, "tenant_id": "contoso.example.org", "timeout_s": 60, "dataset_id": "0da7a5e7-1111-4222-8333-444455556666", "auth_method": "certificate", "workspace_id": "0c0ffee0-1111-4222-8333-444455556666", "allowed_tables": [], "certificate_pem": "-----BEGIN CERTIFICATE-----\nMIIBNTCB3KADAgECAhR7HjvWZAGwZNq5YZx6AFLwA+Xg9zAKBggqhkjOPQQDAjAa\nMRgwFgYDVQQDDA9jb25zb2xlLmV4YW1wbGUwIBcNMjYwMTAxMDAwMDAwWhgPMjA5\nOTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD2NvbnNvbGUuZXhhbXBsZTBZMBMGByqG\nSM49AgEGCCqGSM49AwEHA0IABEb7x52wsJWSUW7Cw2G/MxZXmR1NTA5qHFPx6BlC\nzBM24PTVLPb19m7XhNKDNvEUk/keGWEGSTixAuLzrqsi3wEwCgYIKoZIzj0EAwID\nSAAwRQIhAPzHNfkLXyKIHp/cs060I8Lhcuy7qJO4+1t+TjlMYNqEAiBhMrwte9OS\neUKTG1CQcf3l+i3QYVDhU+opS0x+yAW6GQ==\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgz7gKU8yUfEY2Uwa2\n8nUMDNLzdjHW3/f647858dHck7ahRANCAARG+8edsLCVklFuwsNhvzMWV5kdTUwO\nahxT8egZQswTNuD01Sz29fZu14TSgzbxFJP5HhlhBkk4sQLi866rIt8B\n-----END PRIVATE KEY-----\n", "credential_expires_at": null, "impersonated_user_name": null}', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.175085+00', '2026-11-25 23:53:51.175129+00', 1, NULL, NULL, '{}', 'careless', 'careless
0da7a5e7-1111-4222-8333-444455556666
0c0ffee0-1111-4222-8333-444455556666');
INSERT INTO public.agents VALUES ('b04d2b8c-f3e6-4859-a740-380bbd03eb4b', 'Unparsed', NULL, 'active', NULL, NULL, NULL, 'DB', '{"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "verify-ca", "database": "sales", "password": {"$enc": "v1:new:gKzONpjdOl8-139irwTO9uR5cTrbKnrrKca70VVb-lW2v-Xt4Ic1w2_yAcbt"}, "username": "reader", "read_only": true, "row_limit": 1000, "ssl_root_cert": "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n", "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.19468+00', '2026-11-25 23:53:51.194719+00', 1, NULL, NULL, '{"/connection_config/password": {"set_at": "2026-11-25T23:53:51.194585+00:00", "set_by": "Ada Admin", "last_four": "ed 8"}}', 'unparsed', 'unparsed
db.example.org
postgresql
sales');
INSERT INTO public.agents VALUES ('dd64686d-6bad-5fe3-8a71-c92d04115443', 'Of a page', NULL, 'active', NULL, NULL, NULL, 'DB', '{"host": "db.example.org", "port": 5432, "dialect": "postgresql", "sslmode": "require", "database": "sales", "password": {"$enc": "v1:new:m4nkcgHk6oUIPR8iAnUllPnUhZJ0VCgnUULjT0qXne4tLTGMSg6r"}, "username": "reader", "read_only": false, "row_limit": 1000, "ssl_root_cert": null, "table_allow_list": [], "connect_timeout_s": 10, "schema_allow_list": [], "statement_timeout_ms": 30000}', '0634d180-e611-4908-b551-792a0c40b583', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', '2026-11-25 23:53:51.854278+00', '2026-11-25 23:53:51.854334+00', 1, NULL, NULL, '{"/connection_config/password": {"set_at": "2026-11-25T23:53:51.854112+00:00", "set_by": "Editor Person", "last_four": null}}', 'of a page', 'of a page
db.example.org
postgresql
sales');


--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.alembic_version VALUES ('a5ecd374ab0b');


--
-- Data for Name: api_tokens; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.api_tokens VALUES ('12656177-bb69-4ff9-aaad-378cf7309ba8', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', 'limited', '8CTd1jAsBYaD', 'p1', '671a7e3a3acf3ed4ea539db83bc1b0acd4ce3eac018ded26c6e28c299a798776', '["runtime"]', '["442a2b89-cdf1-4d9f-b990-370c52581c0a"]', '2026-11-25 23:53:51.223428+00', '2036-11-22 23:53:51.223039+00', NULL, NULL);
INSERT INTO public.api_tokens VALUES ('e8078962-bbab-481b-b2b7-55b8ed8dc6b8', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', 'revoked', 'pHM5ec0327pn', 'p1', '00e4e076ccc8346569f2492318afba43433145d7e6eae167dd2b5f77e199298f', '["read"]', '[]', '2026-11-25 23:53:51.229279+00', '2036-11-22 23:53:51.228872+00', NULL, '2026-11-25 23:53:51.234526+00');
INSERT INTO public.api_tokens VALUES ('9c9862b0-c7fd-484f-a2cd-733880b277a4', '42fdb819-d27c-4754-9502-a38495c6bc8a', '9348cfb7-1a44-44ac-bf7e-910d86e666c6', 'other', 'VdOIQnHOcl0N', 'p1', '523e1b028f2fad7be395b183d0d6fc010ec9a81b22603332a79b317c0c210613', '["runtime"]', '[]', '2026-11-25 23:53:51.240893+00', '2036-11-22 23:53:51.240436+00', NULL, NULL);
INSERT INTO public.api_tokens VALUES ('898b7753-cacb-4182-a15f-1bfc42609725', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', 'write token', 'geWm3Dbrrpvv', 'p1', '31f903129e46b16201d5283cc14558da131b6cba3fc83ad89ef4fab26bbe58c3', '["read", "write"]', '[]', '2026-11-25 23:53:51.213018+00', '2036-11-22 23:53:51.212608+00', '2026-11-25 23:53:51.920358+00', NULL);
INSERT INTO public.api_tokens VALUES ('15a4cd75-de9f-4db8-be7f-de16f1ff4cba', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', 'runtime token', 'eadioT5rkx5K', 'p1', '66a8625f1371146c23097e3e14ced984122237b0a3b390dfa1c7737fd23e6579', '["runtime"]', '[]', '2026-11-25 23:53:51.218218+00', '2036-11-22 23:53:51.217855+00', '2026-11-25 23:53:52.008847+00', NULL);
INSERT INTO public.api_tokens VALUES ('be8b72b5-0b8d-4ab2-a991-3796eb90efcf', '0634d180-e611-4908-b551-792a0c40b583', 'bb6be698-d140-485b-90fe-78b105b58911', 'read token', 'G0lSKqJvrC2n', 'p1', 'b7a82402e34c9da42382461426e5965a08e8d99e98d1ed0913d0ef0cf624642f', '["read"]', '[]', '2026-11-25 23:53:51.206385+00', '2036-11-22 23:53:51.204546+00', '2026-11-25 23:53:52.021812+00', NULL);


--
-- Data for Name: encryption_keys; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.encryption_keys VALUES ('old', 'v1:old:kOb7k4sk1t14NmxLmpUTEjzdvS-WR8VNcx0QQMepik509B2g25VsoZdg6Lb5Bj00NA_c', '2026-11-25 23:53:51.030463+00');
INSERT INTO public.encryption_keys VALUES ('new', 'v1:new:u7Tz6mQP0OkSRhNgQbdbRiDGvDaXn1sJDfpuCXXh4RicN-6ZyQcwUQkyoP6jZZvgf8rR', '2026-11-25 23:53:51.161409+00');


--
-- Data for Name: events; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.events VALUES ('c50f8e15-5580-4e87-81ac-d23185fb2f51', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.440652+00', 'account.created', 'terminal', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'account', '0634d180-e611-4908-b551-792a0c40b583', 'Acme', NULL, NULL, '{}');
INSERT INTO public.events VALUES ('d64e54dc-4dcb-4b2a-97b6-f491ee2a2d07', '42fdb819-d27c-4754-9502-a38495c6bc8a', '2026-11-25 23:53:50.496752+00', 'account.created', 'terminal', 'Otto Other', '9348cfb7-1a44-44ac-bf7e-910d86e666c6', NULL, 'account', '42fdb819-d27c-4754-9502-a38495c6bc8a', 'Globex', NULL, NULL, '{}');
INSERT INTO public.events VALUES ('d170cd11-e380-4a72-ba24-f077aec1dc59', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.541347+00', 'user.signed_in', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'user', 'bb6be698-d140-485b-90fe-78b105b58911', 'Ada Admin', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('8a412762-3b33-4ff2-8c23-f6c12045f04d', '42fdb819-d27c-4754-9502-a38495c6bc8a', '2026-11-25 23:53:50.590847+00', 'user.signed_in', 'page', 'Otto Other', '9348cfb7-1a44-44ac-bf7e-910d86e666c6', NULL, 'user', '9348cfb7-1a44-44ac-bf7e-910d86e666c6', 'Otto Other', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('af224593-f552-40ba-a3c2-40c0ef5013b9', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.597127+00', 'user.invited', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, NULL, NULL, NULL, '192.0.2.7', NULL, '{"role": "editor"}');
INSERT INTO public.events VALUES ('a56590cb-2889-4a06-90b2-14dabc995fc0', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.641785+00', 'user.joined', 'page', 'Editor Person', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', NULL, 'user', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', 'Editor Person', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('31608815-a15b-474a-8ab3-d333dc63f727', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.641792+00', 'user.signed_in', 'page', 'Editor Person', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', NULL, 'user', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', 'Editor Person', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('da3ebda6-c996-45dd-af4d-c9527cde220a', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.647167+00', 'user.invited', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, NULL, NULL, NULL, '192.0.2.7', NULL, '{"role": "viewer"}');
INSERT INTO public.events VALUES ('ddc59f62-2457-4626-9b55-da1aa4940bba', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.685268+00', 'user.joined', 'page', 'Viewer Person', 'be4dbe05-e8c2-47e5-8b83-9ea755a01b3e', NULL, 'user', 'be4dbe05-e8c2-47e5-8b83-9ea755a01b3e', 'Viewer Person', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('0c85fbd4-e345-492a-a5f3-2a19ba7c5c45', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.685275+00', 'user.signed_in', 'page', 'Viewer Person', 'be4dbe05-e8c2-47e5-8b83-9ea755a01b3e', NULL, 'user', 'be4dbe05-e8c2-47e5-8b83-9ea755a01b3e', 'Viewer Person', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('c591c527-b176-4e0e-9683-8c107f29e942', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.690239+00', 'user.invited', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, NULL, NULL, NULL, '192.0.2.7', NULL, '{"role": "admin"}');
INSERT INTO public.events VALUES ('0a60c08d-19e7-4be6-b130-438c0c4d2287', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.730637+00', 'user.invited', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, NULL, NULL, NULL, '192.0.2.7', NULL, '{"role": "admin"}');
INSERT INTO public.events VALUES ('9ec1baa0-2d21-424c-8cdb-bb9012fe17e9', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.770908+00', 'user.joined', 'page', 'Deactivated Person', 'c12baecd-7116-411d-b021-db6b033ad1af', NULL, 'user', 'c12baecd-7116-411d-b021-db6b033ad1af', 'Deactivated Person', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('d027942f-35fb-4482-8d55-793a8d92c7f5', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.770915+00', 'user.signed_in', 'page', 'Deactivated Person', 'c12baecd-7116-411d-b021-db6b033ad1af', NULL, 'user', 'c12baecd-7116-411d-b021-db6b033ad1af', 'Deactivated Person', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('9fbf4a61-da7b-4ce7-bf4d-e3b236e6b828', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.78323+00', 'user.deactivated', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'user', 'c12baecd-7116-411d-b021-db6b033ad1af', 'Deactivated Person', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('65e4df66-8805-4acb-8756-274bec730251', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.790298+00', 'user.invited', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, NULL, NULL, NULL, '192.0.2.7', NULL, '{"role": "viewer"}');
INSERT INTO public.events VALUES ('c1c84a48-706f-4dd9-bcfa-383dae477db9', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.795345+00', 'user.reset_link_made', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'user', 'be4dbe05-e8c2-47e5-8b83-9ea755a01b3e', 'Viewer Person', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('ad8c003d-b328-4ce9-b80d-24b4e7f7fe6b', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.807648+00', 'agent.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '442a2b89-cdf1-4d9f-b990-370c52581c0a', 'Sales', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('f3b287f8-4713-405d-ad43-f77e583aa7d4', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.818575+00', 'agent.updated', 'page', 'Editor Person', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', NULL, 'agent', '442a2b89-cdf1-4d9f-b990-370c52581c0a', 'Sales', '192.0.2.7', NULL, '{"version": 2}');
INSERT INTO public.events VALUES ('dfe7c55a-4a99-47f7-af2d-c73330f1dc89', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.826503+00', 'agent.updated', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '442a2b89-cdf1-4d9f-b990-370c52581c0a', 'Sales', '192.0.2.7', NULL, '{"version": 3}');
INSERT INTO public.events VALUES ('e552c7f6-7011-4582-9296-f467eb2e7cd7', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.834117+00', 'agent.cloned', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '90570378-0584-4550-84f5-d32f02fbaa7a', 'Copy of Sales', '192.0.2.7', NULL, '{"version": 1, "cloned_from": "442a2b89-cdf1-4d9f-b990-370c52581c0a"}');
INSERT INTO public.events VALUES ('59c0bfad-ecfb-4fc8-b07e-acc313e11254', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.839926+00', 'agent.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '290d2f99-1ed6-4954-9129-db882dca7162', 'Bare', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('76edb8e3-44c4-4bef-a2cf-8d972a658fda', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.845422+00', 'agent.created', 'page', 'Editor Person', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', NULL, 'agent', 'a5c7eb35-4fd5-46af-bfc4-6d8ebfe1a505', 'Stock ß Σ', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('227b84a6-2eb8-4c4d-8602-d336c9256a33', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.853952+00', 'agent.disabled', 'page', 'Editor Person', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', NULL, 'agent', 'a5c7eb35-4fd5-46af-bfc4-6d8ebfe1a505', 'Stock ß Σ', '192.0.2.7', NULL, '{"version": 2}');
INSERT INTO public.events VALUES ('5012aa25-cd0c-4b01-b5b0-e44100932198', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.861572+00', 'agent.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '72d6def3-4813-49d6-8adf-2471acff6d00', 'Reports', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('eaed0557-44ef-43d0-8638-ff30359cd514', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.867179+00', 'agent.created', 'terminal', 'operator', NULL, NULL, 'agent', 'c593b1ae-d7d7-40e5-85a4-23c6610a43ce', 'Of an operator', NULL, NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('58cc1a92-7b32-4efd-a55b-dfe8f09103a2', '42fdb819-d27c-4754-9502-a38495c6bc8a', '2026-11-25 23:53:50.878855+00', 'agent.created', 'page', 'Otto Other', '9348cfb7-1a44-44ac-bf7e-910d86e666c6', NULL, 'agent', '4f905e80-b642-4ae1-82bd-3418bf9f6a98', 'Elsewhere', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('d8ac6011-894d-41d5-9ca8-59666404eebf', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.885056+00', 'agent.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '9210c70f-caf0-41de-b0bd-f42c69aee148', 'Deleted database', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('6e238100-c314-4586-8a5b-de1aa079c5e7', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.891184+00', 'agent.deleted', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '9210c70f-caf0-41de-b0bd-f42c69aee148', 'Deleted database', '192.0.2.7', NULL, '{"version": 2}');
INSERT INTO public.events VALUES ('ef1fd167-819d-4281-9f59-7391051b9550', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.897351+00', 'agent.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '84dfe115-185d-4e1a-b051-cb31e7433778', 'Deleted power_bi', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('00243703-2b99-422b-a149-941821d252b1', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.902183+00', 'agent.deleted', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '84dfe115-185d-4e1a-b051-cb31e7433778', 'Deleted power_bi', '192.0.2.7', NULL, '{"version": 2}');
INSERT INTO public.events VALUES ('3ad98867-4952-4028-9132-71c59c537b6f', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.907926+00', 'agent.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '4107dbbd-9625-48d5-be63-6616b406b88b', 'Deleted bare', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('d0d82805-f2d7-48fa-860e-fce1b4dd3869', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.912382+00', 'agent.deleted', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '4107dbbd-9625-48d5-be63-6616b406b88b', 'Deleted bare', '192.0.2.7', NULL, '{"version": 2}');
INSERT INTO public.events VALUES ('9525f66a-8173-4a62-8939-d9714f9b35ee', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.916998+00', 'agent.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '91dfd84c-d90b-4830-8860-a62b6263c73b', 'Deleted disabled', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('6b5b5fd8-e655-472c-8b12-845b830311ee', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.921193+00', 'agent.disabled', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '91dfd84c-d90b-4830-8860-a62b6263c73b', 'Deleted disabled', '192.0.2.7', NULL, '{"version": 2}');
INSERT INTO public.events VALUES ('f64b2222-4edd-49b6-bc13-08aebd92265f', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.925465+00', 'agent.deleted', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '91dfd84c-d90b-4830-8860-a62b6263c73b', 'Deleted disabled', '192.0.2.7', NULL, '{"version": 3}');
INSERT INTO public.events VALUES ('38d9d4ea-e5e8-42c6-8140-0d53975e8b47', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.935708+00', 'agent.deleted', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '80823973-9474-453b-b7f2-2563414b4dbf', 'Deleted of_someone_gone', '192.0.2.7', NULL, '{"version": 2}');
INSERT INTO public.events VALUES ('1dffb774-9b6e-496f-ab30-690c7aa0cc56', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.9407+00', 'agent.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', 'd4c4cd9e-17cf-4bc1-a794-1ae77ba8bb20', 'Back again', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('019bfbb5-613a-4a23-a00a-edd08e8de808', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.944685+00', 'agent.deleted', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', 'd4c4cd9e-17cf-4bc1-a794-1ae77ba8bb20', 'Back again', '192.0.2.7', NULL, '{"version": 2}');
INSERT INTO public.events VALUES ('93ed7e7d-4851-4491-ab9e-6ddf83ce2026', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.954035+00', 'agent.restored', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', 'd4c4cd9e-17cf-4bc1-a794-1ae77ba8bb20', 'Back again', '192.0.2.7', NULL, '{"version": 3}');
INSERT INTO public.events VALUES ('bfb83795-e293-4689-afd1-deadf2c1c485', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.725438+00', 'user.joined', 'page', 'Gone Person', NULL, NULL, 'user', 'd410059b-26ec-4fb6-be2b-e27f6647a22f', 'Gone Person', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('ca9b4cb6-fd21-46df-a674-7499e21f0182', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.725444+00', 'user.signed_in', 'page', 'Gone Person', NULL, NULL, 'user', 'd410059b-26ec-4fb6-be2b-e27f6647a22f', 'Gone Person', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('f248b183-0943-4494-b513-00270f8eff25', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.872588+00', 'agent.created', 'page', 'Gone Person', NULL, NULL, 'agent', '6b066b63-9fe4-428c-82a7-de57b9847dcb', 'Of someone gone', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('48531f83-6ae5-4500-9224-c99530feb0a6', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.931003+00', 'agent.created', 'page', 'Gone Person', NULL, NULL, 'agent', '80823973-9474-453b-b7f2-2563414b4dbf', 'Deleted of_someone_gone', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('3207d6a5-ce8c-44b5-a574-5098ab549253', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:50.963902+00', 'user.deleted', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'user', 'd410059b-26ec-4fb6-be2b-e27f6647a22f', 'Gone Person', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('1d7ee6ea-f9c1-4770-b321-2e7a1a574f81', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.084917+00', 'secrets.rotated', 'terminal', 'operator', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"key": "old", "moved": 13}');
INSERT INTO public.events VALUES ('2d91ea55-f6a9-4340-8e82-3660eb957ca9', '42fdb819-d27c-4754-9502-a38495c6bc8a', '2026-11-25 23:53:51.084933+00', 'secrets.rotated', 'terminal', 'operator', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"key": "old", "moved": 1}');
INSERT INTO public.events VALUES ('60aac168-22e0-4d60-af3d-1dc8ac568740', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.170894+00', 'agent.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', 'f9e4c6a1-9fac-4bcc-b2f3-1126f8de20a3', 'Ledger', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('69d47bc1-9b7b-4737-afe9-f0e40ba95b16', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.178168+00', 'agent.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', '77a1537b-e0de-4234-baa3-0dcf6ac9109f', 'Careless', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('44d6c178-d6cb-4ce3-9e44-196923d46abb', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.183463+00', 'agent.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', 'f30a3a36-3e1a-44b9-aa1b-9ba33a182989', 'Deleted careless', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('6a8db9ee-03db-427c-ad54-f9331c321634', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.191256+00', 'agent.deleted', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', 'f30a3a36-3e1a-44b9-aa1b-9ba33a182989', 'Deleted careless', '192.0.2.7', NULL, '{"version": 2}');
INSERT INTO public.events VALUES ('e3afd390-28e2-4d4e-a75d-d99b419be2cd', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.196978+00', 'agent.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', 'b04d2b8c-f3e6-4859-a740-380bbd03eb4b', 'Unparsed', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('becbfb65-2f8b-4469-8764-eea3677a377e', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.208545+00', 'token.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'token', 'be8b72b5-0b8d-4ab2-a991-3796eb90efcf', 'read token', '192.0.2.7', NULL, '{"scopes": ["read"]}');
INSERT INTO public.events VALUES ('8ecd272a-85fb-4732-a7e6-1120d8d0129e', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.214083+00', 'token.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'token', '898b7753-cacb-4182-a15f-1bfc42609725', 'write token', '192.0.2.7', NULL, '{"scopes": ["read", "write"]}');
INSERT INTO public.events VALUES ('719f7af6-228b-4e48-a234-f7a05e59ab7b', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.21927+00', 'token.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'token', '15a4cd75-de9f-4db8-be7f-de16f1ff4cba', 'runtime token', '192.0.2.7', NULL, '{"scopes": ["runtime"]}');
INSERT INTO public.events VALUES ('3fa2b524-3da8-4c62-b51d-3804f1e77607', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.224643+00', 'token.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'token', '12656177-bb69-4ff9-aaad-378cf7309ba8', 'limited', '192.0.2.7', NULL, '{"scopes": ["runtime"]}');
INSERT INTO public.events VALUES ('a9ff16d1-7662-4472-88ef-fab40c83557c', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.230343+00', 'token.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'token', 'e8078962-bbab-481b-b2b7-55b8ed8dc6b8', 'revoked', '192.0.2.7', NULL, '{"scopes": ["read"]}');
INSERT INTO public.events VALUES ('c5994b90-01c3-45d9-ac2c-da25acbcd512', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.236571+00', 'token.revoked', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'token', 'e8078962-bbab-481b-b2b7-55b8ed8dc6b8', 'revoked', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('75701926-dfa0-496b-87c7-e8dc84c5a0f7', '42fdb819-d27c-4754-9502-a38495c6bc8a', '2026-11-25 23:53:51.242014+00', 'token.created', 'page', 'Otto Other', '9348cfb7-1a44-44ac-bf7e-910d86e666c6', NULL, 'token', '9c9862b0-c7fd-484f-a2cd-733880b277a4', 'other', '192.0.2.7', NULL, '{"scopes": ["runtime"]}');
INSERT INTO public.events VALUES ('7b7de71b-20cb-4adc-bf0c-f32c30662c30', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.253821+00', 'user.role_changed', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'user', 'c12baecd-7116-411d-b021-db6b033ad1af', 'Deactivated Person', '192.0.2.7', NULL, '{"role": "viewer"}');
INSERT INTO public.events VALUES ('b74e896d-950e-40c4-ad00-fbb2f576c12c', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.258905+00', 'account.renamed', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'account', '0634d180-e611-4908-b551-792a0c40b583', 'Acme Limited', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('a85b2b7d-2c7b-4dfd-be07-cbc51bdd0e69', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.262973+00', 'account.renamed', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'account', '0634d180-e611-4908-b551-792a0c40b583', 'Acme', '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('0ac0da09-1ccc-415f-bf97-d7857d13db97', NULL, '2026-11-25 23:53:51.350562+00', 'user.sign_in_failed', 'page', '', NULL, NULL, NULL, NULL, NULL, '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('5de45f70-810e-4720-82ca-375189c9b3cb', NULL, '2026-11-25 23:53:51.390473+00', 'user.sign_in_failed', 'page', '', NULL, NULL, NULL, NULL, NULL, '192.0.2.7', NULL, '{}');
INSERT INTO public.events VALUES ('15a38955-ff2d-42ed-b047-37f2845a3e7a', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.573167+00', 'user.signed_in', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'user', 'bb6be698-d140-485b-90fe-78b105b58911', 'Ada Admin', '127.0.0.1', '2ec33031a6024dc584507cd3bc751616', '{}');
INSERT INTO public.events VALUES ('1276e84a-4d59-406f-966a-6714903a4065', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.648277+00', 'user.signed_in', 'page', 'Editor Person', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', NULL, 'user', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', 'Editor Person', '127.0.0.1', 'f208dbf3cb4e4fc98a79aac5ea8eec6c', '{}');
INSERT INTO public.events VALUES ('025ccd7b-3219-4289-be35-e95526dbe0d6', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.85738+00', 'agent.created', 'page', 'Editor Person', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', NULL, 'agent', 'dd64686d-6bad-5fe3-8a71-c92d04115443', 'Of a page', '127.0.0.1', 'ea120d9e1fe84060976f730345a4b7da', '{"version": 1}');
INSERT INTO public.events VALUES ('1c7ef2ea-2d0c-418e-843a-cbd07022b395', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.916197+00', 'user.signed_in', 'page', 'Viewer Person', 'be4dbe05-e8c2-47e5-8b83-9ea755a01b3e', NULL, 'user', 'be4dbe05-e8c2-47e5-8b83-9ea755a01b3e', 'Viewer Person', '127.0.0.1', 'e214cf211ae1414aa1939770598eeb83', '{}');
INSERT INTO public.events VALUES ('d275b39f-69f6-4847-b953-063e00267c76', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.940999+00', 'agent.created', 'token', 'token write token', 'bb6be698-d140-485b-90fe-78b105b58911', '898b7753-cacb-4182-a15f-1bfc42609725', 'agent', 'a7b088e7-18d0-5731-abb6-871ce817fa51', 'Keyed untouched', '127.0.0.1', '594c8f2856d44285be74f32f438c3196', '{"version": 1}');
INSERT INTO public.events VALUES ('406f19b2-8771-4ae4-8f1c-006d56ab655b', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.96211+00', 'agent.created', 'token', 'token write token', 'bb6be698-d140-485b-90fe-78b105b58911', '898b7753-cacb-4182-a15f-1bfc42609725', 'agent', '9b4e0f76-f523-5c9d-8b83-7cb6c06ef5c1', 'Keyed changed', '127.0.0.1', 'dea215b7a5d04e8a9f2bafe97a460911', '{"version": 1}');
INSERT INTO public.events VALUES ('8dfc0bf6-1863-4213-9786-95ad3f4248aa', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.975145+00', 'agent.created', 'token', 'token write token', 'bb6be698-d140-485b-90fe-78b105b58911', '898b7753-cacb-4182-a15f-1bfc42609725', 'agent', 'cffa9592-05a7-5647-a0e9-5a9a8e736a58', 'Keyed deleted', '127.0.0.1', 'a528a94ebeb14fc4a79240bfe3509b43', '{"version": 1}');
INSERT INTO public.events VALUES ('39f1a68b-7ff3-44cb-8f4e-9cfe710872e4', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:51.991558+00', 'agent.updated', 'token', 'token write token', 'bb6be698-d140-485b-90fe-78b105b58911', '898b7753-cacb-4182-a15f-1bfc42609725', 'agent', '9b4e0f76-f523-5c9d-8b83-7cb6c06ef5c1', 'Keyed changed', '127.0.0.1', '008d915776784fd0b5a740de0e2087b3', '{"version": 2}');
INSERT INTO public.events VALUES ('2af52d39-a8fa-4da0-a9c9-2d3f129d2cbb', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:52.005276+00', 'agent.deleted', 'token', 'token write token', 'bb6be698-d140-485b-90fe-78b105b58911', '898b7753-cacb-4182-a15f-1bfc42609725', 'agent', 'cffa9592-05a7-5647-a0e9-5a9a8e736a58', 'Keyed deleted', '127.0.0.1', '2e3625a672c74c40957fe7ddfb44bf15', '{"version": 2}');
INSERT INTO public.events VALUES ('8bc62f13-8498-4062-b57e-bd79418976ec', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:52.01869+00', 'agent.fetched', 'token', 'token runtime token', 'bb6be698-d140-485b-90fe-78b105b58911', '15a4cd75-de9f-4db8-be7f-de16f1ff4cba', 'agent', '442a2b89-cdf1-4d9f-b990-370c52581c0a', 'Sales', '127.0.0.1', '9e36bd85826e472f8cc5877ff4707734', '{"version": 3}');
INSERT INTO public.events VALUES ('ed246787-53df-4b36-bc5f-d909bf265525', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:52.028102+00', 'access.denied', 'token', 'token read token', 'bb6be698-d140-485b-90fe-78b105b58911', 'be8b72b5-0b8d-4ab2-a991-3796eb90efcf', NULL, NULL, NULL, '127.0.0.1', 'a3c95198e75d4577baf54bfe37cfff0f', '{"asked": "DELETE api.agents_delete", "detail": "This needs a token with the scope write."}');
INSERT INTO public.events VALUES ('d30b8aef-496f-44cd-84fc-ef4a7b315697', NULL, '2026-11-25 23:53:52.037997+00', 'token.refused', 'page', '', NULL, NULL, NULL, NULL, NULL, '127.0.0.1', '570bb4b68b63467ba3f0b4682ff2ee82', '{}');
INSERT INTO public.events VALUES ('477da0d1-b7ed-40a9-aeac-17eaf924773f', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:52.299223+00', 'agent.created', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', 'eef64c7d-8db6-48bc-b70c-4ca47bbe2dbe', 'Deleted without its secrets', '192.0.2.7', NULL, '{"version": 1}');
INSERT INTO public.events VALUES ('2dbe1f7d-fb33-4d9e-bd77-454f9a540972', '0634d180-e611-4908-b551-792a0c40b583', '2026-11-25 23:53:52.310076+00', 'agent.deleted', 'page', 'Ada Admin', 'bb6be698-d140-485b-90fe-78b105b58911', NULL, 'agent', 'eef64c7d-8db6-48bc-b70c-4ca47bbe2dbe', 'Deleted without its secrets', '192.0.2.7', NULL, '{"version": 2}');


--
-- Data for Name: invitations; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.invitations VALUES ('7d95fe1a-11d0-4cfe-b818-92ec7243c55f', '0634d180-e611-4908-b551-792a0c40b583', NULL, 'viewer', '1d053dd3cd9e39959fbe329516552d112e542cb1cae71480b363848c5ac626e8', 'bb6be698-d140-485b-90fe-78b105b58911', 'Ada Admin', '2026-11-25 23:53:50.790921+00', '2026-12-02 23:53:50.789766+00');
INSERT INTO public.invitations VALUES ('a9932057-8ffe-4d92-86b7-1b42ab9957cc', '0634d180-e611-4908-b551-792a0c40b583', 'be4dbe05-e8c2-47e5-8b83-9ea755a01b3e', 'viewer', 'a5dcb6e9365c7b9b4f117bc2ab06dbb0f755715a51e1c0e453d0d12e6fe7540d', 'bb6be698-d140-485b-90fe-78b105b58911', 'Ada Admin', '2026-11-25 23:53:50.796038+00', '2026-12-02 23:53:50.794829+00');


--
-- Data for Name: login_attempts; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.login_attempts VALUES ('42a5008c-ae30-47b4-9db2-b8eb6972e8e2', 'a41863d3fdfd682c711d60d9097f06fab2a0d2a47229212decaf56ef4b1b8321', '192.0.2.7', '2026-11-25 23:53:51.265849+00');
INSERT INTO public.login_attempts VALUES ('f92f0d57-3436-4ce2-8f56-b6069bbe2ead', '7a7972db97aa967ce3ecfa83fb236220d0afedda2701e95b33e23b369e28d01c', '192.0.2.7', '2026-11-25 23:53:51.352896+00');
INSERT INTO public.login_attempts VALUES ('c28894ea-61a3-4f3b-af7e-2fe55e4a277f', NULL, '127.0.0.1', '2026-11-25 23:53:52.039386+00');


--
-- Data for Name: user_sessions; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.user_sessions VALUES ('92918aa1-50be-4c0c-9aee-8a19471b7d54', 'e02aaf5006b4182dac10f7b8c9ed036ae63038c02dfba916837f4daed70cd285', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:50.54538+00', '2026-11-25 23:53:50.545385+00', '2026-11-26 11:53:50.540677+00', '192.0.2.7', 'Firefox');
INSERT INTO public.user_sessions VALUES ('eceba442-761e-401c-9efc-adc63d89ac98', '8758bd127f2a46e542959a016323e2500a4c46b10ed3402f1793dcab36c46844', '9348cfb7-1a44-44ac-bf7e-910d86e666c6', '2026-11-25 23:53:50.591654+00', '2026-11-25 23:53:50.591657+00', '2026-11-26 11:53:50.590271+00', '192.0.2.7', 'Firefox');
INSERT INTO public.user_sessions VALUES ('de2c2218-dab8-4348-ba09-76c7a6173ede', 'd1b25e48678dc0e7e614b0438b847f5d78adbab8a47121a00fe6bfea555e42cc', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', '2026-11-25 23:53:50.642867+00', '2026-11-25 23:53:50.642869+00', '2026-11-26 11:53:50.640759+00', '192.0.2.7', 'Firefox');
INSERT INTO public.user_sessions VALUES ('8693a3b8-ebdd-498b-b639-410fb99d73bd', 'cf94fcd99a2443061f8a0a73282b53ec67b336eee7b5b2f08a07801c730c80f8', 'be4dbe05-e8c2-47e5-8b83-9ea755a01b3e', '2026-11-25 23:53:50.686108+00', '2026-11-25 23:53:50.686111+00', '2026-11-26 11:53:50.684776+00', '192.0.2.7', 'Firefox');
INSERT INTO public.user_sessions VALUES ('4c4e77cd-56ba-4310-8e1a-e8c98468b893', '502be8b7f0ca450076c288040540b27dd136830f981e0003477e42ea82ff8723', 'bb6be698-d140-485b-90fe-78b105b58911', '2026-11-25 23:53:51.575269+00', '2026-11-25 23:53:51.575272+00', '2026-11-26 11:53:51.572404+00', '127.0.0.1', 'Werkzeug/3.1.9');
INSERT INTO public.user_sessions VALUES ('875823bd-d80b-446a-858e-38c22dee6b22', 'ecde6b5fc7981d4f69cdb081d0ea274438bb9d6dc3d3c28167c2920c0f50580f', '8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', '2026-11-25 23:53:51.649058+00', '2026-11-25 23:53:51.649061+00', '2026-11-26 11:53:51.647618+00', '127.0.0.1', 'Werkzeug/3.1.9');
INSERT INTO public.user_sessions VALUES ('18720a83-4399-4126-945f-93d874965459', 'b78526fc423c4430c1c72a2a578ff6e3b38f7287cf4d14f747de9bf9db643a0d', 'be4dbe05-e8c2-47e5-8b83-9ea755a01b3e', '2026-11-25 23:53:51.91708+00', '2026-11-25 23:53:51.917083+00', '2026-11-26 11:53:51.915443+00', '127.0.0.1', 'Werkzeug/3.1.9');


--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.users VALUES ('bb6be698-d140-485b-90fe-78b105b58911', '0634d180-e611-4908-b551-792a0c40b583', 'admin@acme.example', 'Ada Admin', 'admin', '$argon2id$v=19$m=19456,t=2,p=1$/p2BmpREnbB6k0i162xbFw$J/HOYWZebM9WfIHIK2MvT/2aUeo/zU0J6vCuBAqnxbQ', true, '2026-11-25 23:53:50.432555+00');
INSERT INTO public.users VALUES ('9348cfb7-1a44-44ac-bf7e-910d86e666c6', '42fdb819-d27c-4754-9502-a38495c6bc8a', 'other@globex.example', 'Otto Other', 'admin', '$argon2id$v=19$m=19456,t=2,p=1$bYazfSKBx/wY7zFtkyw9Ug$KoxJ3FAFfiFc+LcU5V4F3CWPxPl08vUsdGOcmKoVhGc', true, '2026-11-25 23:53:50.495252+00');
INSERT INTO public.users VALUES ('8c7f820b-3c4f-4ca7-b81c-5c9e54fcc883', '0634d180-e611-4908-b551-792a0c40b583', 'editor@acme.example', 'Editor Person', 'editor', '$argon2id$v=19$m=19456,t=2,p=1$D11B/LWNCwB6XP8svnq60Q$ywbY7ay5xYZ5Y/Q0qhDXc+BjD1dw0P2uo9TfNcUM5H8', true, '2026-11-25 23:53:50.639966+00');
INSERT INTO public.users VALUES ('be4dbe05-e8c2-47e5-8b83-9ea755a01b3e', '0634d180-e611-4908-b551-792a0c40b583', 'viewer@acme.example', 'Viewer Person', 'viewer', '$argon2id$v=19$m=19456,t=2,p=1$kaihzZTDZKope94jux0AUw$xEtWkhFmov/RxkzIvgjYU62ub61Gt22n/evkuysdv9s', true, '2026-11-25 23:53:50.684053+00');
INSERT INTO public.users VALUES ('c12baecd-7116-411d-b021-db6b033ad1af', '0634d180-e611-4908-b551-792a0c40b583', 'deactivated@acme.example', 'Deactivated Person', 'viewer', '$argon2id$v=19$m=19456,t=2,p=1$rx4CF+NSmGUiYFj1NwQ/mQ$weIQNuGkYz//4wuZlc/+4gw87bV4hpp60uDLrV2IVps', false, '2026-11-25 23:53:50.769101+00');


--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);


--
-- Name: accounts pk_accounts; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT pk_accounts PRIMARY KEY (id);


--
-- Name: agent_versions pk_agent_versions; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_versions
    ADD CONSTRAINT pk_agent_versions PRIMARY KEY (agent_id, version);


--
-- Name: agents pk_agents; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT pk_agents PRIMARY KEY (id);


--
-- Name: api_tokens pk_api_tokens; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT pk_api_tokens PRIMARY KEY (id);


--
-- Name: encryption_keys pk_encryption_keys; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.encryption_keys
    ADD CONSTRAINT pk_encryption_keys PRIMARY KEY (key_id);


--
-- Name: events pk_events; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT pk_events PRIMARY KEY (id);


--
-- Name: invitations pk_invitations; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT pk_invitations PRIMARY KEY (id);


--
-- Name: login_attempts pk_login_attempts; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.login_attempts
    ADD CONSTRAINT pk_login_attempts PRIMARY KEY (id);


--
-- Name: user_sessions pk_user_sessions; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT pk_user_sessions PRIMARY KEY (id);


--
-- Name: users pk_users; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT pk_users PRIMARY KEY (id);


--
-- Name: api_tokens uq_api_tokens_key_id; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT uq_api_tokens_key_id UNIQUE (key_id);


--
-- Name: invitations uq_invitations_digest; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT uq_invitations_digest UNIQUE (digest);


--
-- Name: user_sessions uq_user_sessions_digest; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT uq_user_sessions_digest UNIQUE (digest);


--
-- Name: users uq_users_email; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT uq_users_email UNIQUE (email);


--
-- Name: ix_agent_versions_account_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_agent_versions_account_id ON public.agent_versions USING btree (account_id);


--
-- Name: ix_agent_versions_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_agent_versions_user_id ON public.agent_versions USING btree (user_id);


--
-- Name: ix_agents_account_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_agents_account_id ON public.agents USING btree (account_id);


--
-- Name: ix_agents_account_id_created_at_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_agents_account_id_created_at_id ON public.agents USING btree (account_id, created_at, id);


--
-- Name: ix_agents_account_id_name_key_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_agents_account_id_name_key_id ON public.agents USING btree (account_id, name_key, id);


--
-- Name: ix_agents_account_id_updated_at_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_agents_account_id_updated_at_id ON public.agents USING btree (account_id, updated_at, id);


--
-- Name: ix_agents_created_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_agents_created_by ON public.agents USING btree (created_by);


--
-- Name: ix_api_tokens_account_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_api_tokens_account_id ON public.api_tokens USING btree (account_id);


--
-- Name: ix_api_tokens_created_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_api_tokens_created_by ON public.api_tokens USING btree (created_by);


--
-- Name: ix_events_account_id_created_at_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_events_account_id_created_at_id ON public.events USING btree (account_id, created_at, id);


--
-- Name: ix_events_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_events_user_id ON public.events USING btree (user_id);


--
-- Name: ix_invitations_account_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_invitations_account_id ON public.invitations USING btree (account_id);


--
-- Name: ix_invitations_created_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_invitations_created_by ON public.invitations USING btree (created_by);


--
-- Name: ix_invitations_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_invitations_user_id ON public.invitations USING btree (user_id);


--
-- Name: ix_login_attempts_address_created_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_login_attempts_address_created_at ON public.login_attempts USING btree (address, created_at);


--
-- Name: ix_login_attempts_created_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_login_attempts_created_at ON public.login_attempts USING btree (created_at);


--
-- Name: ix_login_attempts_login_created_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_login_attempts_login_created_at ON public.login_attempts USING btree (login, created_at);


--
-- Name: ix_user_sessions_expires_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_user_sessions_expires_at ON public.user_sessions USING btree (expires_at);


--
-- Name: ix_user_sessions_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_user_sessions_user_id ON public.user_sessions USING btree (user_id);


--
-- Name: ix_users_account_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_users_account_id ON public.users USING btree (account_id);


--
-- Name: agent_versions fk_agent_versions_account_id_accounts; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_versions
    ADD CONSTRAINT fk_agent_versions_account_id_accounts FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;


--
-- Name: agent_versions fk_agent_versions_user_id_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_versions
    ADD CONSTRAINT fk_agent_versions_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE SET NULL;


--
-- Name: agents fk_agents_account_id_accounts; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT fk_agents_account_id_accounts FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;


--
-- Name: agents fk_agents_created_by_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT fk_agents_created_by_users FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE SET NULL;


--
-- Name: api_tokens fk_api_tokens_account_id_accounts; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT fk_api_tokens_account_id_accounts FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;


--
-- Name: api_tokens fk_api_tokens_created_by_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT fk_api_tokens_created_by_users FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE SET NULL;


--
-- Name: events fk_events_account_id_accounts; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT fk_events_account_id_accounts FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;


--
-- Name: events fk_events_user_id_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT fk_events_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE SET NULL;


--
-- Name: invitations fk_invitations_account_id_accounts; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT fk_invitations_account_id_accounts FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;


--
-- Name: invitations fk_invitations_created_by_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT fk_invitations_created_by_users FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE CASCADE;


--
-- Name: invitations fk_invitations_user_id_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT fk_invitations_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;


--
-- Name: user_sessions fk_user_sessions_user_id_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT fk_user_sessions_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;


--
-- Name: users fk_users_account_id_accounts; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT fk_users_account_id_accounts FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;


--
-- PostgreSQL database dump complete
--


