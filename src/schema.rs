//! The tables as diesel knows them, in the order of the migrations. A test compares this file with the migrated database.

diesel::table! {
    revocations (xid, id) {
        xid -> BigInt,
        id -> BigInt,
        at -> Timestamptz,
        sid -> Nullable<Uuid>,
        sub -> Nullable<Text>,
        role -> Nullable<Text>,
        kid -> Nullable<Text>,
        committed_by -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    permissions (name) {
        name -> Text,
        description -> Nullable<Text>,
        built_in -> Bool,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    roles (name) {
        name -> Text,
        rank -> Integer,
        description -> Nullable<Text>,
        permissions -> Array<Text>,
        built_in -> Bool,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    users (id) {
        id -> Uuid,
        username -> Text,
        display_name -> Nullable<Text>,
        email -> Nullable<Text>,
        email_confirmed -> Bool,
        role -> Text,
        permissions -> Array<Text>,
        is_active -> Bool,
        tags -> Array<Text>,
        attributes -> Jsonb,
        must_change_password -> Bool,
        password_hash -> Nullable<Text>,
        password_version -> BigInt,
        auth_provider -> Text,
        auth_id -> Nullable<Text>,
        mfa_enabled -> Bool,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        last_login_at -> Nullable<Timestamptz>,
        expires_at -> Nullable<Timestamptz>,
        deleted_at -> Nullable<Timestamptz>,
        version -> BigInt,
        password_set_by_kind -> Text,
        password_set_by -> Nullable<Uuid>,
        email_set_by_kind -> Text,
        email_set_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    invites (id) {
        id -> Uuid,
        digest -> Bytea,
        created_by -> Nullable<Uuid>,
        role -> Text,
        permissions -> Array<Text>,
        email -> Nullable<Text>,
        max_uses -> Integer,
        uses -> Integer,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
        version -> BigInt,
        created_with_token -> Nullable<Uuid>,
    }
}

diesel::table! {
    password_reset_tokens (user_id) {
        user_id -> Uuid,
        digest -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        id -> Uuid,
        created_by_kind -> Text,
        created_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    email_confirmation_tokens (user_id) {
        user_id -> Uuid,
        digest -> Bytea,
        email -> Text,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    pending_email_addresses (user_id) {
        user_id -> Uuid,
        email -> Text,
        is_registration -> Bool,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    sessions (id) {
        id -> Uuid,
        user_id -> Uuid,
        created_at -> Timestamptz,
        last_seen_at -> Timestamptz,
        idle_timeout_seconds -> BigInt,
        expires_at -> Timestamptz,
        remember_me -> Bool,
        ip -> Text,
        user_agent -> Nullable<Text>,
        generation -> Integer,
        rotated_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
        ended_reason -> Nullable<Text>,
        resource -> Nullable<Text>,
        successor_used_at -> Nullable<Timestamptz>,
        late_repetitions -> Integer,
        repeated_generation -> Nullable<Integer>,
    }
}

diesel::table! {
    refresh_tokens (digest) {
        digest -> Bytea,
        session_id -> Uuid,
        generation -> Integer,
    }
}

diesel::table! {
    personal_access_tokens (id) {
        id -> Uuid,
        user_id -> Uuid,
        name -> Text,
        digest -> Bytea,
        permissions -> Array<Text>,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
        created_by_owner -> Bool,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        public_jwk -> Jsonb,
        encrypted_private_key -> Bytea,
        created_at -> Timestamptz,
        active_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    password_peppers (id) {
        id -> Bytea,
        encrypted_secret -> Bytea,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    service_clients (id) {
        id -> Uuid,
        name -> Text,
        secret_digest -> Bytea,
        permissions -> Array<Text>,
        rank -> Integer,
        is_active -> Bool,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        secret_created_at -> Timestamptz,
        last_used_at -> Nullable<Timestamptz>,
        created_by -> Nullable<Uuid>,
        secret_known_to -> Nullable<Uuid>,
        secret_known_to_kind -> Text,
        secret_holder_version -> Nullable<BigInt>,
    }
}

diesel::table! {
    client_access_tokens (id) {
        id -> Uuid,
        client_id -> Uuid,
        permissions -> Array<Text>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    audit_events (id) {
        id -> Uuid,
        at -> Timestamptz,
        actor_kind -> Text,
        actor_id -> Nullable<Uuid>,
        actor_owner_id -> Nullable<Uuid>,
        session_id -> Nullable<Uuid>,
        action -> Text,
        subject_kind -> Nullable<Text>,
        subject_id -> Nullable<Text>,
        user_id -> Nullable<Uuid>,
        outcome -> Text,
        code -> Nullable<Text>,
        reason -> Nullable<Text>,
        before -> Nullable<Jsonb>,
        after -> Nullable<Jsonb>,
        trace_id -> Nullable<Text>,
        actor_commitment -> Nullable<Bytea>,
        actor_name_commitment -> Nullable<Bytea>,
        subject_commitment -> Nullable<Bytea>,
    }
}

diesel::table! {
    audit_personal_data (event_id, participant) {
        event_id -> Uuid,
        user_id -> Nullable<Uuid>,
        participant -> Text,
        data -> Jsonb,
        salt -> Nullable<Bytea>,
        name_salt -> Nullable<Bytea>,
        erased_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    audit_chain_queue (id) {
        id -> BigInt,
        event_id -> Uuid,
    }
}

diesel::table! {
    audit_chain_links (position) {
        position -> BigInt,
        event_id -> Uuid,
        at -> Timestamptz,
        hash -> Bytea,
        mac -> Bytea,
        prune_lock -> Nullable<Bytea>,
    }
}

diesel::table! {
    audit_chain_anchors (position) {
        position -> BigInt,
        hash -> Bytea,
        mac -> Bytea,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    rate_limit_counters (target, is_trusted) {
        target -> Uuid,
        is_trusted -> Bool,
        failures -> Integer,
        max_in_flight -> Integer,
        blocked_until -> Timestamptz,
        attempts_in_flight -> Array<Timestamptz>,
        refusal_audited_at -> Nullable<Timestamptz>,
        last_attempt_at -> Timestamptz,
    }
}

diesel::table! {
    rate_limit_sources (source) {
        source -> Text,
        quota_used -> Integer,
        window_ends_at -> Timestamptz,
        refusal_audited_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    rate_limit_known_sources (user_id, source) {
        user_id -> Uuid,
        source -> Text,
        last_seen_at -> Timestamptz,
    }
}

diesel::table! {
    mail_outbox (id) {
        id -> Uuid,
        user_id -> Nullable<Uuid>,
        encrypted_message -> Bytea,
        attempts -> Integer,
        next_attempt_at -> Timestamptz,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    mail_notices (id) {
        id -> Uuid,
        user_id -> Uuid,
        kind -> Text,
        email -> Nullable<Text>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    idempotency_keys (caller, operation_id, key) {
        caller -> Text,
        operation_id -> Text,
        key -> Text,
        request_mac -> Bytea,
        encrypted_response -> Nullable<Bytea>,
        resource_id -> Nullable<Uuid>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    replicas (id) {
        id -> Uuid,
        heartbeat -> Uuid,
        started_at -> Timestamptz,
        last_seen_at -> Timestamptz,
        issuer -> Nullable<Text>,
        audience -> Nullable<Text>,
        secret_key_id -> Nullable<Bytea>,
        app_audiences -> Nullable<Array<Text>>,
    }
}

diesel::joinable!(users -> roles (role));
diesel::joinable!(invites -> users (created_by));
diesel::joinable!(password_reset_tokens -> users (user_id));
diesel::joinable!(email_confirmation_tokens -> users (user_id));
diesel::joinable!(pending_email_addresses -> users (user_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(refresh_tokens -> sessions (session_id));
diesel::joinable!(personal_access_tokens -> users (user_id));
diesel::joinable!(client_access_tokens -> service_clients (client_id));
diesel::joinable!(audit_personal_data -> audit_events (event_id));
diesel::joinable!(mail_outbox -> users (user_id));
diesel::joinable!(mail_notices -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(
    revocations,
    permissions,
    roles,
    users,
    invites,
    password_reset_tokens,
    email_confirmation_tokens,
    pending_email_addresses,
    sessions,
    refresh_tokens,
    personal_access_tokens,
    signing_keys,
    password_peppers,
    service_clients,
    client_access_tokens,
    audit_events,
    audit_personal_data,
    audit_chain_queue,
    audit_chain_links,
    audit_chain_anchors,
    rate_limit_counters,
    rate_limit_sources,
    rate_limit_known_sources,
    mail_outbox,
    mail_notices,
    idempotency_keys,
    replicas
);
