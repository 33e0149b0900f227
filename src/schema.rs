//! The tables as diesel sees them; a test compares this file with what the migrations make.

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
    }
}

diesel::table! {
    sessions (id) {
        id -> Uuid,
        user_id -> Uuid,
        created_at -> Timestamptz,
        last_seen_at -> Timestamptz,
        idle_seconds -> BigInt,
        expires_at -> Timestamptz,
        remember_me -> Bool,
        ip -> Text,
        user_agent -> Nullable<Text>,
        generation -> Integer,
        rotated_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
        ended_reason -> Nullable<Text>,
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
    personal_tokens (id) {
        id -> Uuid,
        user_id -> Uuid,
        name -> Text,
        digest -> Bytea,
        permissions -> Array<Text>,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        public_jwk -> Jsonb,
        sealed_private -> Bytea,
        created_at -> Timestamptz,
        active_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    audit_events (id) {
        id -> Uuid,
        at -> Timestamptz,
        actor_kind -> Text,
        actor_id -> Nullable<Uuid>,
        session_id -> Nullable<Uuid>,
        action -> Text,
        subject_kind -> Nullable<Text>,
        subject_id -> Nullable<Text>,
        outcome -> Text,
        code -> Nullable<Text>,
        before -> Nullable<Jsonb>,
        after -> Nullable<Jsonb>,
        trace_id -> Nullable<Text>,
        user_id -> Nullable<Uuid>,
        actor_owner_id -> Nullable<Uuid>,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    audit_people (event_id, part) {
        event_id -> Uuid,
        user_id -> Nullable<Uuid>,
        part -> Text,
        words -> Jsonb,
    }
}

diesel::table! {
    audit_unsealed (place) {
        place -> BigInt,
        event_id -> Uuid,
    }
}

diesel::table! {
    audit_seals (position) {
        position -> BigInt,
        event_id -> Uuid,
        at -> Timestamptz,
        hash -> Bytea,
        mac -> Bytea,
    }
}

diesel::table! {
    audit_anchors (position) {
        position -> BigInt,
        hash -> Bytea,
        mac -> Bytea,
        made_at -> Timestamptz,
    }
}

diesel::table! {
    kept_replies (caller, route, key) {
        caller -> Text,
        route -> Text,
        key -> Text,
        request_mac -> Bytea,
        sealed_reply -> Nullable<Bytea>,
        made -> Nullable<Uuid>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    reset_links (user_id) {
        user_id -> Uuid,
        digest -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    throttle_tallies (target, is_known) {
        target -> Uuid,
        is_known -> Bool,
        failures -> Integer,
        room -> Integer,
        blocked_until -> Timestamptz,
        begun -> Array<Timestamptz>,
        told_at -> Nullable<Timestamptz>,
        touched_at -> Timestamptz,
    }
}

diesel::table! {
    outgoing_mail (id) {
        id -> Uuid,
        user_id -> Nullable<Uuid>,
        sealed -> Bytea,
        attempts -> Integer,
        due_at -> Timestamptz,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    throttle_sources (source) {
        source -> Text,
        used -> Integer,
        ends_at -> Timestamptz,
        told_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    throttle_places (account, source) {
        account -> Uuid,
        source -> Text,
        seen_at -> Timestamptz,
    }
}

diesel::table! {
    email_confirmations (user_id) {
        user_id -> Uuid,
        digest -> Bytea,
        email -> Text,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    invites (id) {
        id -> Uuid,
        digest -> Bytea,
        made_by -> Nullable<Uuid>,
        role -> Text,
        permissions -> Array<Text>,
        email -> Nullable<Text>,
        max_uses -> Integer,
        uses -> Integer,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
        version -> BigInt,
    }
}

diesel::table! {
    service_clients (id) {
        id -> Uuid,
        name -> Text,
        digest -> Bytea,
        permissions -> Array<Text>,
        rank -> Integer,
        is_active -> Bool,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        secret_made_at -> Timestamptz,
        last_used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    client_grants (id) {
        id -> Uuid,
        client_id -> Uuid,
        permissions -> Array<Text>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    revocations (xid, id) {
        xid -> BigInt,
        id -> BigInt,
        at -> Timestamptz,
        sid -> Nullable<Uuid>,
        sub -> Nullable<Text>,
        role -> Nullable<Text>,
    }
}

diesel::joinable!(users -> roles (role));
diesel::joinable!(client_grants -> service_clients (client_id));
diesel::joinable!(invites -> users (made_by));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(refresh_tokens -> sessions (session_id));
diesel::joinable!(reset_links -> users (user_id));
diesel::joinable!(outgoing_mail -> users (user_id));
diesel::joinable!(email_confirmations -> users (user_id));
diesel::joinable!(personal_tokens -> users (user_id));
diesel::joinable!(audit_people -> audit_events (event_id));
diesel::allow_tables_to_appear_in_same_query!(
    permissions,
    roles,
    users,
    sessions,
    refresh_tokens,
    personal_tokens,
    signing_keys,
    audit_events,
    audit_people,
    audit_unsealed,
    audit_seals,
    kept_replies,
    invites,
    reset_links,
    throttle_tallies,
    throttle_sources,
    throttle_places,
    outgoing_mail,
    email_confirmations,
    service_clients,
    client_grants,
    revocations
);
