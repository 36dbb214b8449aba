// Made from the API description of the server by `npm run types`.

export interface paths {
    "/admin/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List audit log entries.
         * @description Returns sign-ins, and changes to accounts, members, invitations, keys and projects, newest first.
         */
        get: operations["listAudit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/compact": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Compact files.
         * @description Merges the small files of each day. The server responds when the compaction is complete.
         */
        post: operations["compact"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/forget": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Apply the retention.
         * @description Removes events that are older than the retention of the project. The server also does this every hour.
         */
        post: operations["forget"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/imports": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List imports.
         * @description Returns the uploads of the project on this server, newest first, without their columns and first records.
         */
        get: operations["listImports"];
        put?: never;
        /**
         * Upload a file.
         * @description Stores a file of up to 4 GiB to import it: NDJSON, other JSON, CSV or other delimited text, plain or compressed with
         *     gzip or zstd. The response has the detected format and the first records. The server keeps the file for a day, and
         *     at most ten files of a project and fifty in all. With several servers, a file is on the server that received it.
         */
        post: operations["uploadImport"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/imports/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an import.
         * @description Returns an upload with the progress or the result of its last import.
         */
        get: operations["getImport"];
        put?: never;
        post?: never;
        /**
         * Remove an import.
         * @description Cancels the import if it runs, and removes the file and its rejected records. Events that were stored stay.
         */
        delete: operations["removeImport"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/imports/{id}/rejects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Download rejected records.
         * @description Returns the records that the last import rejected, one JSON object on each line, with `line`, `record`, `code`,
         *     `field`, `message` and `raw`. Returns the first 64 MiB, and `rejectsOmitted` of the import counts the other records.
         */
        get: operations["getImportRejects"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/imports/{id}/run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Import an uploaded file.
         * @description Starts to import the file into the store of the project. A dry run stores nothing. A file can be imported again with
         *     other options, and adds only events that the store does not have. The options are those of the command
         *     `martech-server import`. An option that you omit has the detected value, the setting of the project, or the default
         *     of the command.
         */
        post: operations["runImport"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/invitations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List invitations.
         * @description Returns the open invitations of the project in the order of creation.
         */
        get: operations["listInvitations"];
        put?: never;
        /**
         * Create an invitation.
         * @description Returns a link that works once. Only this response contains the link.
         */
        post: operations["invite"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/invitations/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Withdraw an invitation.
         * @description The link of the invitation stops working.
         */
        delete: operations["withdrawInvitation"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List keys.
         * @description Returns the keys of the project without their secrets, in the order of creation. For one day after a rotation, the
         *     key appears twice with the same id, once for each valid secret.
         */
        get: operations["listKeys"];
        put?: never;
        /**
         * Create a key.
         * @description Returns the key with its secret. Only this response contains the secret. A write key sends events and does nothing
         *     else. A read key reads what an analyst reads.
         */
        post: operations["createKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/keys/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Revoke a key.
         * @description All secrets of the key become invalid immediately.
         */
        delete: operations["revokeKey"];
        options?: never;
        head?: never;
        /**
         * Update a key.
         * @description Changes the name or the origins of a key. Absent fields keep their value. The secret stays the same.
         */
        patch: operations["updateKey"];
        trace?: never;
    };
    "/admin/keys/{id}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Rotate a key.
         * @description Gives the key another secret. The previous secret remains valid for one day. An older secret becomes invalid
         *     immediately.
         */
        post: operations["rotateKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/members": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List members.
         * @description Returns the members of the project in the order in which their accounts were created.
         */
        get: operations["listMembers"];
        put?: never;
        /**
         * Add a member.
         * @description Creates an account and adds it to the project. This request needs the admin token. Other callers create an
         *     invitation instead.
         */
        post: operations["addMember"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/members/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Remove a member.
         * @description Removes the member from the project. Removal from the default project also deletes the account. The server revokes
         *     the keys that the member created or last rotated, unless you keep them with `keys=keep`.
         */
        delete: operations["removeMember"];
        options?: never;
        head?: never;
        /**
         * Change a member's role.
         * @description Admins of the default project can also give a role to any account that has none in the project. Other admins create
         *     an invitation, which also works for existing accounts. If the member loses the right to create keys, the server
         *     revokes the keys that they created or last rotated, unless you keep them with `keys=keep`.
         */
        patch: operations["updateMember"];
        trace?: never;
    };
    "/admin/members/{id}/password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Reset a member's password.
         * @description Sets a new password and ends all sessions of the member. The caller must have the right to grant every role that the
         *     member has, in every project.
         */
        post: operations["resetPassword"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/projects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List projects.
         * @description Returns the projects that the caller may read: the default project first, then the others in the order of creation.
         */
        get: operations["listProjects"];
        put?: never;
        /**
         * Create a project.
         * @description Settings that you omit have the value of the server.
         */
        post: operations["createProject"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/projects/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Remove a project.
         * @description Revokes the keys of the project, withdraws its invitations, removes all roles in it, cancels its imports and removes
         *     its uploads. By default, the events remain in place. With `events=delete`, the server deletes them, with the dead
         *     letters of the project. If MongoDB does not delete them now, the response is 503. The project is removed nevertheless.
         *     The server deletes the events later.
         */
        delete: operations["removeProject"];
        options?: never;
        head?: never;
        /**
         * Update a project.
         * @description Absent fields keep their value. `null` resets a setting other than `name` to that of the server.
         */
        patch: operations["updateProject"];
        trace?: never;
    };
    "/admin/rejects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the last rejections.
         * @description Returns the events and bodies that the server rejected or refused, with the reason and the sender, newest first. The
         *     list is in the memory of this server and has at most 1,000 entries. Rejections of one kind within ten minutes are one
         *     entry: they have the code, the field, the key, the origin and the event type in common.
         */
        get: operations["listRejects"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/roll": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Write events to Parquet.
         * @description Writes the events in memory to Parquet files. The server responds when all events that were stored before the
         *     request are in files.
         */
        post: operations["roll"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/sample-shop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Create a sample shop.
         * @description Creates the project `sample` with the settings of the server, and fills it with the events of a made-up shop: 90 days,
         *     up to now. The events go straight to the store and do not count toward a quota. Remove the project with
         *     `events=delete`.
         */
        post: operations["createSampleShop"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/change-password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Change your password.
         * @description With `revokeOtherSessions`, all your sessions end, and the response contains the token of a new one.
         */
        post: operations["changePassword"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/get-session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Retrieve the current session.
         * @description Returns the session and its user, or `null` if the caller is not signed in.
         */
        get: operations["getSession"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/list-sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List your sessions.
         * @description `token` identifies each session: the current session has its real token, and the others have the hash of theirs.
         *     Because the list reveals no token of another session, it needs no fresh session, unlike in Better Auth.
         */
        get: operations["listSessions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/revoke-other-sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Revoke other sessions.
         * @description Ends all your sessions except the current one.
         */
        post: operations["revokeOtherSessions"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/revoke-session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Revoke a session.
         * @description Ends one of your sessions. `token` is the value from the list of sessions.
         */
        post: operations["revokeSession"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/revoke-sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Revoke all sessions.
         * @description Ends all your sessions, including the current one.
         */
        post: operations["revokeSessions"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/sign-in/email": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Sign in.
         * @description Returns the token of a new session and sets its cookie.
         */
        post: operations["signIn"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/sign-out": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Sign out.
         * @description Ends the current session and removes its cookie. The request also succeeds if the caller is not signed in.
         */
        post: operations["signOut"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/sign-up/email": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Create an account.
         * @description Creates an account and signs in. The first account needs the admin token as a bearer token, or the token of the
         *     set-up link as `invitation`. Further accounts need an invitation, unless sign-up is open to everyone.
         */
        post: operations["signUp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/update-user": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Update your profile.
         * @description Changes your name or picture. Absent fields keep their value.
         */
        post: operations["updateUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send events.
         * @description The body is one event, a list of events, or NDJSON, optionally compressed with gzip or zstd (`Content-Encoding`).
         *     The server checks each event of a list separately. The response lists the events that were not accepted: the first
         *     100 in full, and the others by status and code. An event with an `eventId` is stored once, even if you send it
         *     again.
         */
        post: operations["sendEvents"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Stream events as they are stored.
         * @description Returns server-sent events without an end: each event of the project that this server stores from now on. Events that
         *     the client or the server cannot keep up with are left out, and `skipped` says how many at that place. A comment comes
         *     at once, and then every 15 seconds. Nothing is sent again after a new connection.
         */
        get: operations["streamEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Retrieve health figures.
         * @description Returns the status to every caller. Figures are included for the projects that the caller may read.
         */
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Check liveness.
         * @description Returns 200 while the process runs. The check does not access the store.
         */
        get: operations["isAlive"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Check readiness.
         * @description Returns 200 if at least one project accepts events. With a spool, a project accepts events while MongoDB is
         *     unavailable, until the spool is full.
         */
        get: operations["isReady"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Retrieve figures.
         * @description Returns totals, a time series, top lists, and the totals and the series of another period to compare with. By
         *     default, the range covers the last 30 days up to the end of today, in buckets of one day, and is compared with the
         *     period before it.
         */
        get: operations["getStats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List users.
         * @description Returns users with their figures. By default, the most recently seen users come first.
         */
        get: operations["listUsers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{userId}/journey": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Retrieve a user's journey.
         * @description Returns the events of the user in time order, oldest first by default. An unknown user has an empty journey.
         */
        get: operations["getJourney"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * @description The kind of an audit entry.
         * @enum {string}
         */
        Action: "signedUp" | "signedIn" | "signInFailed" | "signedOut" | "passwordChanged" | "sessionRevoked" | "invited" | "invitationWithdrawn" | "memberAdded" | "roleChanged" | "passwordReset" | "memberRemoved" | "keyCreated" | "keyUpdated" | "keyRotated" | "keyRevoked" | "keyTransferred" | "tokenRefused" | "projectCreated" | "projectUpdated" | "projectRemoved" | "imported";
        /** @description One entry of the audit log. */
        AuditEntry: {
            action: components["schemas"]["Action"];
            /** @description The author: the id of a user, `adminToken` or `shell`; absent if unknown. */
            actor?: string | null;
            at: components["schemas"]["Timestamp"];
            /** @description A description of the target at that time: an email address, a role, a name, or the counts of an import. */
            detail?: string | null;
            /** @description The id of the entry. Ids of newer entries sort before those of older ones. */
            id: string;
            ipAddress?: string | null;
            project?: components["schemas"]["ProjectId"] | null;
            /**
             * @description The object of the action: the id of a user, a key or an invitation, the email address of a failed sign-in, or
             *     the name of an imported file.
             */
            target?: string | null;
        };
        AuditLog: {
            entries: components["schemas"]["AuditEntry"][];
            nextCursor?: string | null;
        };
        /** @description Memory that request bodies use while they are received and parsed. */
        BodiesHealth: {
            bytes: number;
            capacityBytes: number;
        };
        /** @description A member after a change, and the affected keys. */
        ChangedMember: components["schemas"]["Member"] & components["schemas"]["SettledKeys"];
        ChangedPassword: {
            token?: string | null;
            user: components["schemas"]["User"];
        };
        ChangePassword: {
            /** Format: password */
            currentPassword: string;
            /** Format: password */
            newPassword: string;
            revokeOtherSessions?: boolean;
        };
        /** @description The checks of a project. Only those that apply to its store are present. */
        Checks: {
            bodies?: components["schemas"]["BodiesHealth"] | null;
            disk?: components["schemas"]["DiskHealth"] | null;
            journal?: components["schemas"]["JournalHealth"] | null;
            lake?: components["schemas"]["LakeHealth"] | null;
            mongodb?: components["schemas"]["MongoHealth"] | null;
            spool?: components["schemas"]["SpoolHealth"] | null;
        };
        /** @description Totals of one bucket of the period that the range is compared with. There are no counts by event type. */
        ComparedBucket: components["schemas"]["Totals"] & {
            /**
             * @description Start of the bucket in the calendar. The first bucket may start before the period; only events in the period are
             *     counted.
             */
            start: components["schemas"]["LocalTime"];
        };
        /** @description Statistics of the period that the range is compared with. */
        ComparedPeriod: components["schemas"]["Totals"] & {
            /** @description Inclusive start of the period. */
            from: components["schemas"]["LocalTime"];
            /**
             * @description One entry per bucket in time order, including empty buckets. The buckets are made as those of the range, so
             *     their number can differ: a period can have one more month or, when clocks change, one more hour.
             */
            series: components["schemas"]["ComparedBucket"][];
            /** @description Exclusive end of the period. */
            to: components["schemas"]["LocalTime"];
        };
        /** @description A currency code. */
        Currency: string;
        /** @description An exact sum of money in one currency. */
        CurrencyAmount: {
            /** @description Amount as a decimal string with at least the decimals of the currency by ISO 4217: none for JPY, three for KWD. */
            amount: components["schemas"]["MoneySum"];
            /** @description Currency code. */
            currency: components["schemas"]["Currency"];
        };
        /** @description Free space on the disk of the data folder. If the status is `low`, only events sent with a secret key are accepted. */
        DiskHealth: {
            /**
             * Format: int64
             * @description Minimum free space for events from public senders.
             */
            floorBytes: number;
            /**
             * Format: int64
             * @description Absent if the operating system does not report it.
             */
            freeBytes?: number | null;
            status: string;
        };
        Done: {
            status: boolean;
        };
        /**
         * Format: email
         * @description An email address, in lower case.
         */
        Email: string;
        /** @description Events, and the time at which they were sent. */
        Envelope: {
            events: components["schemas"]["NewEvent"][];
            sentAt?: string | number | null;
        };
        /** @description The body of every error response. */
        Error: {
            /** @description The error code, for programs. */
            code: string;
            /** @description The field, parameter or header that caused the error. */
            field?: string;
            /**
             * Format: int64
             * @description The index of the event that caused the error, from 0.
             */
            index?: number;
            /**
             * Format: int64
             * @description The limit that was exceeded, in bytes.
             */
            limit?: number;
            /** @description The error message, for people: what is wrong and how to correct it. */
            message: string;
            /** @description The id of the request, which the log of the server also contains. */
            requestId: string;
        };
        /** @description An event of a user. */
        Event: {
            /** @description The browser or device. */
            anonymousId?: string;
            /**
             * Format: uuid
             * @description The UUID of an event. An id that is not a UUID is returned as the UUIDv5 of its bytes.
             */
            eventId: string;
            /**
             * Format: date-time
             * @description A time in UTC.
             */
            occurredAt: string;
            /** @description The properties that the sender gave. */
            properties?: {
                [key: string]: unknown;
            };
            /**
             * Format: date-time
             * @description A time in UTC.
             */
            receivedAt: string;
            /** @description The session of the event. */
            sessionId?: string;
            /** @description The type of an event. */
            type: string;
        };
        /**
         * Format: uuid
         * @description The UUID of an event. An id that is not a UUID is returned as the UUIDv5 of its bytes.
         */
        EventId: string;
        /** @description The outcome of one event. */
        EventResult: {
            code?: string | null;
            eventId?: components["schemas"]["EventId"] | null;
            field?: string | null;
            /** @description The index of the event in the body, from 0. */
            index: number;
            message?: string | null;
            status: components["schemas"]["EventStatus"];
        };
        EventsBody: components["schemas"]["NewEvent"] | components["schemas"]["NewEvent"][] | components["schemas"]["Envelope"];
        /** @enum {string} */
        EventStatus: "accepted" | "duplicate" | "rejected" | "failed";
        /** @description Server-sent events: `event` with a `UserEvent` as data, and `skipped` with `SkippedEvents`. */
        EventStream: string;
        /** @description The type of an event. */
        EventType: string;
        /** @description A project that was created with events. */
        FilledProject: {
            /**
             * Format: int64
             * @description The number of events.
             */
            events: number;
            project: components["schemas"]["Project"];
        };
        Forgotten: {
            /** Format: int64 */
            forgotten: number;
        };
        /** @description The health of the server. The figures are those of the default project, if the caller may read it. */
        Health: {
            checks?: components["schemas"]["Checks"] | null;
            projects?: {
                [key: string]: components["schemas"]["ProjectHealth"];
            };
            sink?: components["schemas"]["SinkHealth"] | null;
            status: string;
            storedSink?: components["schemas"]["SinkHealth"] | null;
            /** Format: int64 */
            uptimeSeconds?: number | null;
            version?: string | null;
        };
        /** @description An uploaded file, and its last import. */
        Import: {
            /**
             * Format: int64
             * @description The size of the file.
             */
            bytes: number;
            /**
             * Format: int64
             * @description The bytes of the file that the last import has read.
             */
            bytesRead: number;
            /** @description The names of the columns, or the paths of the members of JSON objects. Absent in lists. */
            columns?: string[];
            /** @description The counts of the last import. In a dry run, `stored` counts the events that would be sent to the store. */
            counts: components["schemas"]["ImportCounts"];
            createdAt: components["schemas"]["Timestamp"];
            /** @description The detected delimiter of delimited text: one character, `tab` or `whitespace`. */
            delimiter?: string;
            /** @description Whether the last import was a dry run. Absent before the first import. */
            dryRun?: boolean;
            /** @description The detected encoding, if it is not UTF-8 and the file has no byte order mark. */
            encoding?: string;
            /** @description Why the last import ended early. */
            error?: string;
            fileName: string;
            /** @description When the last import ended. */
            finishedAt?: components["schemas"]["Timestamp"];
            /** @description The first event of a dry run. */
            firstEvent?: Record<string, never>;
            /** @description The detected format. */
            format: components["schemas"]["ImportFormat"];
            id: string;
            /** @description The most frequent reasons for rejections, at most ten. */
            reasons: components["schemas"]["ImportReason"][];
            /**
             * Format: int64
             * @description The number of rejected records that the download leaves out, because it has at most 64 MiB. Absent if it has all.
             */
            rejectsOmitted?: number;
            /** @description The first records, at most five, as the texts of their columns. Long texts are cut. Absent in lists. */
            sample?: string[][];
            state: components["schemas"]["ImportState"];
        };
        /** @description Counts of the records so far, by outcome. */
        ImportCounts: {
            /**
             * Format: int64
             * @description Events that were already in the store.
             */
            duplicates: number;
            /**
             * Format: int64
             * @description Records read, without the header and blank lines.
             */
            read: number;
            /**
             * Format: int64
             * @description Records that cannot become events, or that the store rejected.
             */
            rejected: number;
            /**
             * Format: int64
             * @description Events that this import stored durably.
             */
            stored: number;
        };
        /**
         * @description Format of the records in a file.
         * @enum {string}
         */
        ImportFormat: "ndjson" | "json" | "csv" | "tsv";
        ImportList: {
            imports: components["schemas"]["Import"][];
        };
        /** @description The options of an import. See `martech-server import --help`. */
        ImportOptions: {
            /**
             * @description Column names in place of those in the first line.
             * @default []
             */
            columns?: string[];
            /**
             * @description The currency of orders without one, as an ISO 4217 code; by default that of the project.
             * @default null
             */
            currency?: string;
            /**
             * @description The decimal separator; by default a point.
             * @default null
             */
            decimal?: string;
            /**
             * @description The column separator: one character, `tab` or `whitespace`; by default the detected one.
             * @default null
             */
            delimiter?: string;
            /**
             * @description Columns that are left out unless they are mapped; for JSON also `properties.NAME`.
             * @default []
             */
            drop?: string[];
            /**
             * @description Reads the file, writes the rejects and shows the first event, but stores nothing.
             * @default false
             */
            dryRun?: boolean;
            /**
             * @description The text encoding, such as `windows-1252`; by default the detected one. A byte order mark takes precedence.
             * @default null
             */
            encoding?: string;
            /**
             * @description The format; by default the detected one.
             * @default null
             */
            format?: components["schemas"]["ImportFormat"];
            /**
             * @description Columns by the field that they fill: `userId`, `properties.total`.
             * @default {}
             */
            map?: {
                [key: string]: string;
            };
            /**
             * @description The first line contains no column names. The columns are named 1, 2, 3, ... or as in `columns`.
             * @default false
             */
            noHeader?: boolean;
            /**
             * @description Texts that mean that a value is absent; by default `NULL` and `\N`, in columns without quotes.
             * @default null
             */
            nulls?: string[];
            /**
             * @description Drops other columns instead of making them properties.
             * @default false
             */
            onlyMapped?: boolean;
            /**
             * @description Accepts rows that are too short, or end with extra delimiters.
             * @default false
             */
            padRows?: boolean;
            /**
             * @description New event types by the old ones.
             * @default {}
             */
            rename?: {
                [key: string]: string;
            };
            /**
             * @description Values by the field that has this value in every event.
             * @default {}
             */
            set?: {
                [key: string]: string;
            };
            /**
             * @description The thousands separator: one character or `space`; by default none.
             * @default null
             */
            thousands?: string;
            /**
             * @description The format of `occurredAt`: a strftime format, `unix`, `unix_ms`, `unix_us` or `unix_ns`; by default RFC 3339,
             *     a date, a date and time, or epoch milliseconds.
             * @default null
             */
            timeFormat?: string;
            /**
             * Format: iana-time-zone
             * @description The time zone of times without an offset; by default UTC.
             * @default null
             */
            timeZone?: string;
        };
        /** @description Why records were rejected. */
        ImportReason: {
            /** @description The code of the rejection. */
            code: string;
            /**
             * Format: int64
             * @description The number of records.
             */
            count: number;
            /** @description The field that caused it. */
            field?: string;
            /**
             * Format: int64
             * @description The line of the first record.
             */
            firstLine: number;
            /** @description The message of the first record with this code and field. */
            message: string;
        };
        /**
         * @description The state of an upload.
         * @enum {string}
         */
        ImportState: "uploaded" | "running" | "finished" | "failed" | "cancelled";
        /** @description The outcome of the events of a request. */
        Ingested: {
            accepted: number;
            /** @description Number of events that were already stored. The server did not store them again. */
            duplicates: number;
            /** @description Number of events that the store could not store in time. */
            failed?: number;
            /** @description The further events that were not accepted, grouped by status and code. Present if there are more than 100. */
            more?: components["schemas"]["MoreResults"][];
            /** @description Number of events that break a rule. */
            rejected: number;
            /** @description The first 100 events that were not accepted. With `results=all`, also every accepted event. */
            results: components["schemas"]["EventResult"][];
        };
        /**
         * @description The bucket width of a time series.
         * @enum {string}
         */
        Interval: "hour" | "day" | "week" | "month";
        /** @description An invitation, without its secret token. */
        Invitation: {
            createdAt: components["schemas"]["Timestamp"];
            email?: components["schemas"]["Email"] | null;
            expiresAt: components["schemas"]["Timestamp"];
            id: string;
            invitedBy?: string | null;
            role: components["schemas"]["Role"];
        };
        InvitationList: {
            invitations: components["schemas"]["Invitation"][];
            nextCursor?: string | null;
        };
        JournalHealth: {
            /** Format: int64 */
            bytes: number;
            /** Format: int64 */
            capacityBytes: number;
            status: string;
        };
        /** @description A page of a journey: `{"userId", "events": [...], "nextCursor"?}`. */
        Journey: {
            /** @description Events in the requested order. */
            events: components["schemas"]["Event"][];
            /** @description Cursor of the next page, if there is one. */
            nextCursor?: string | null;
            /** @description The user. */
            userId: string;
        };
        /** @description A key, without its secret. */
        Key: {
            createdAt: components["schemas"]["Timestamp"];
            createdBy?: string | null;
            expiresAt?: components["schemas"]["Timestamp"] | null;
            /** @description The last characters of the secret. */
            hint: string;
            id: string;
            kind: components["schemas"]["KeyKind"];
            lastUsedAt?: components["schemas"]["Timestamp"] | null;
            name: string;
            origins?: string[];
        };
        KeyChange: {
            name?: string;
            origins?: string[];
        };
        /**
         * @description The permissions of a key.
         * @enum {string}
         */
        KeyKind: "write" | "read";
        KeyList: {
            keys: components["schemas"]["Key"][];
            nextCursor?: string | null;
        };
        LakeHealth: components["schemas"]["LakeStatus"] & {
            status: string;
        };
        /** @description Figures of a lake. */
        LakeStatus: {
            /** @description Compactions: merges of files. */
            compactions: components["schemas"]["WorkStats"];
            /**
             * Format: int64
             * @description Bytes of memory of the id indexes.
             */
            dedupeBytes: number;
            /** @description Why the lake accepts no events or cannot roll. Absent if all is well. */
            error?: string | null;
            /**
             * Format: int64
             * @description Number of events.
             */
            events: number;
            /**
             * Format: int64
             * @description Bytes of all live files, without facts, which are a cache of about 10 bytes an event.
             */
            fileBytes: number;
            /**
             * Format: int64
             * @description Number of live event files.
             */
            files: number;
            /**
             * Format: int64
             * @description Number of events that are in no file yet.
             */
            hotEvents: number;
            /**
             * Format: int64
             * @description Bytes of the journal.
             */
            journalBytes: number;
            /**
             * Format: int64
             * @description Bytes that were cut from the end of the journal when the lake was opened: a write that a power loss interrupted,
             *     or damage to the newest events.
             */
            journalCutBytes: number;
            /**
             * Format: int64
             * @description Parts of the journal that were damaged or missing when the lake was opened.
             */
            journalDamage: number;
            /** @description Rolls: hot tables that were written to files. */
            rolls: components["schemas"]["WorkStats"];
        };
        /**
         * Format: date-time
         * @description A time with the UTC offset of the time zone.
         */
        LocalTime: string;
        /** @description A key of a member who lost the right to create keys. */
        LostKey: {
            id: string;
            kind: components["schemas"]["KeyKind"];
            name: string;
        };
        MadeInvitation: components["schemas"]["Invitation"] & {
            /** @description The link for the invited person. Only this response contains it. */
            link: string;
            token: string;
        };
        MadeKey: components["schemas"]["Key"] & {
            /** @description The secret. Only this response contains it. */
            key: string;
        };
        /** @description A member of a project, as other members see them. */
        Member: {
            createdAt: components["schemas"]["Timestamp"];
            email: components["schemas"]["Email"];
            id: string;
            name: string;
            role?: components["schemas"]["Role"] | null;
        };
        MemberList: {
            members: components["schemas"]["Member"][];
            nextCursor?: string | null;
        };
        /** @description An exact decimal number. */
        MoneySum: string;
        /** @description The health of MongoDB. */
        MongoHealth: {
            error?: string | null;
            serverVersion?: string | null;
            status: string;
            /** @description Limitations of the deployment, and how the server handles them. */
            warnings?: string[];
        };
        /** @description Events with the same outcome. */
        MoreResults: {
            code: string;
            /** @description Number of these events. */
            count: number;
            /** @description The indexes of the events in the body, from 0: ascending, separated by commas, with runs as `first-last`. */
            indices: string;
            status: components["schemas"]["EventStatus"];
        };
        /** @description An event as it is sent. It has a `userId`, or at least an `anonymousId`. */
        NewEvent: {
            /** @description The id of the browser or device. */
            anonymousId?: string | null;
            /**
             * @description A UUID, or any other text that is unique to the event. An event that you send again with the same id, user, type
             *     and time is stored once. A different event with the same id is rejected. The server generates an id if you omit
             *     it. For events sent without a key, or with a key that has origins, the server derives the stored id from this
             *     one, so that it cannot collide with the id of an event sent with a secret key.
             */
            eventId?: string | null;
            occurredAt?: string | number | null;
            /**
             * @description Further data about the event. Figures use `revenue`, `total` or `value`, and `currency` of a purchase, `query`
             *     of a search, and `page` and `productId` of any event.
             */
            properties?: {
                [key: string]: unknown;
            } | null;
            receivedAt?: unknown;
            /** @description The id of the visit that the event belongs to. */
            sessionId?: string | null;
            type: components["schemas"]["EventType"];
            /**
             * @description The user. Defaults to `anonymousId`. All ids reject `undefined`, `null`, `NaN` and `[object ...]`, which
             *     JavaScript makes of missing values.
             */
            userId?: string | null;
        } & ({
            userId: string;
        } | {
            anonymousId: string;
        });
        NewInvitation: {
            /**
             * Format: email
             * @description The only address that can use the invitation. Without an address, anyone with the link can use it.
             */
            email?: string | null;
            role: components["schemas"]["Role"];
        };
        NewKey: {
            kind: components["schemas"]["KeyKind"];
            name: string;
            origins?: string[];
        };
        NewMember: {
            /** Format: email */
            email: string;
            name?: string;
            /** Format: password */
            password: string;
            role?: components["schemas"]["Role"] | null;
        };
        NewPassword: {
            /** Format: password */
            newPassword: string;
        };
        NewProject: {
            /** Format: iso-4217 */
            currency?: string | null;
            /**
             * Format: int64
             * @description The quota of events per UTC day. 0 for no quota.
             */
            eventsPerDay?: number | null;
            eventTypes?: string[] | null;
            id: components["schemas"]["ProjectId"];
            name?: string | null;
            /** Format: int32 */
            retentionDays?: number | null;
            /** Format: iana-time-zone */
            timeZone?: string | null;
        };
        NewRole: {
            role: components["schemas"]["Role"];
        };
        /** @description Counts of one page. */
        PageRow: {
            /** @description The page. */
            page: string;
            /**
             * Format: int64
             * @description Distinct users who viewed it.
             */
            users: number;
            /**
             * Format: int64
             * @description Number of its `page_view` events.
             */
            views: number;
        };
        /** @description Counts of one product. */
        ProductRow: {
            /**
             * Format: int64
             * @description Number of events of any type that name the product.
             */
            events: number;
            /**
             * Format: int64
             * @description Number of purchases that name the product.
             */
            orders: number;
            /** @description The product. */
            product: string;
            /**
             * Format: int64
             * @description Distinct users with such an event.
             */
            users: number;
        };
        /** @description A project with its own settings. A setting that is absent has the value of the server. */
        Project: {
            createdAt?: components["schemas"]["Timestamp"] | null;
            currency?: string | null;
            /** Format: int64 */
            eventsPerDay?: number | null;
            eventTypes?: string[] | null;
            id: components["schemas"]["ProjectId"];
            name: string;
            /** Format: int32 */
            retentionDays?: number | null;
            timeZone?: string | null;
        };
        /**
         * @description A change to a project. Absent fields keep their value. `null` resets a setting other than `name` to that of the
         *     server.
         */
        ProjectChange: {
            /** Format: iso-4217 */
            currency?: string | null;
            /**
             * Format: int64
             * @description The quota of events per UTC day. 0 for no quota.
             */
            eventsPerDay?: number | null;
            eventTypes?: string[] | null;
            name?: string;
            /** Format: int32 */
            retentionDays?: number | null;
            /** Format: iana-time-zone */
            timeZone?: string | null;
        };
        /** @description The settings of the server, which apply where a project has none of its own. */
        ProjectDefaults: {
            currency: components["schemas"]["Currency"];
            /**
             * Format: int64
             * @description 0 if there is no quota.
             */
            eventsPerDay: number;
            /** @description The accepted types. `*` if any type is accepted. */
            eventTypes: string[];
            /**
             * Format: int32
             * @description 0 if events are kept for ever.
             */
            retentionDays: number;
            timeZone: string;
        };
        /** @description The health of a project. */
        ProjectHealth: {
            checks: components["schemas"]["Checks"];
            sink: components["schemas"]["SinkHealth"];
            status: string;
            storedSink?: components["schemas"]["SinkHealth"] | null;
        };
        /** @description The id of a project: 1 to 32 lowercase letters, digits and hyphens. The first character is not a hyphen. */
        ProjectId: string;
        ProjectList: {
            defaults: components["schemas"]["ProjectDefaults"];
            nextCursor?: string | null;
            projects: components["schemas"]["Project"][];
        };
        /** @description Rejections of one kind. `message`, `index`, `status`, `requestId` and `userAgent` are those of the last one. */
        Reject: {
            /** @description When the first of them occurred. */
            at: components["schemas"]["Timestamp"];
            /** @description The error code. */
            code: string;
            /**
             * Format: int64
             * @description The number of rejected events. A body that was rejected as a whole counts as one.
             */
            count: number;
            eventType?: components["schemas"]["EventType"] | null;
            /** @description The field, parameter or header that caused the error. */
            field?: string | null;
            /** @description The index of the event in its body, from 0. */
            index?: number | null;
            key?: components["schemas"]["RejectedKey"] | null;
            /** @description When the last of them occurred. */
            lastAt: components["schemas"]["Timestamp"];
            /** @description The error message, cut. */
            message: string;
            /** @description The `Origin` of the request, cut. */
            origin?: string | null;
            /** @description The id of the request. */
            requestId?: string | null;
            /**
             * Format: int32
             * @description The status of the response: 202 if other events of the body were accepted. Absent if the event itself was
             *     accepted at first, and the store rejected it later.
             */
            status?: number | null;
            /** @description The `User-Agent` of the request, cut. */
            userAgent?: string | null;
        };
        /** @description The key of a rejected request. */
        RejectedKey: {
            /** @description The last four characters of the secret. */
            hint: string;
            id: string;
            name: string;
        };
        Rejects: {
            nextCursor?: string | null;
            rejects: components["schemas"]["Reject"][];
        };
        RevokeSession: {
            token: string;
        };
        /**
         * @description The role of a user in a project. Each role includes the permissions of the roles before it.
         * @enum {string}
         */
        Role: "analyst" | "admin" | "owner";
        /** @description Counts of one search term. */
        SearchRow: {
            /**
             * Format: int64
             * @description Number of its `search` events.
             */
            searches: number;
            /** @description The search term. */
            term: string;
            /**
             * Format: int64
             * @description Distinct users who searched for it.
             */
            users: number;
        };
        /**
         * @description Totals of one bucket.
         *
         *     A session counts in the bucket of its first event in the range, so the sessions of the buckets add up to the total.
         *     The conversion of a bucket is that of the sessions which count in it: an order counts even if it comes in a later
         *     bucket of the range. All other figures are those of the events in the bucket.
         */
        SeriesBucket: components["schemas"]["Totals"] & {
            /** @description Number of events by type. Types without events in the bucket are left out. */
            byType: {
                [key: string]: number;
            };
            /**
             * @description Start of the bucket in the calendar. The first bucket may start before the range; only events in the range are
             *     counted.
             */
            start: components["schemas"]["LocalTime"];
        };
        /** @description A session. Only the client of a session knows its token: for other sessions, `token` is the hash of the token. */
        Session: {
            createdAt: components["schemas"]["Timestamp"];
            expiresAt: components["schemas"]["Timestamp"];
            id: string;
            ipAddress?: string | null;
            token: string;
            updatedAt: components["schemas"]["Timestamp"];
            userAgent?: string | null;
            userId: string;
        };
        SessionAndUser: {
            session: components["schemas"]["Session"];
            user: components["schemas"]["User"];
        };
        /** @description The keys that changed because a member lost the right to create keys. */
        SettledKeys: {
            /** @description Keys that were revoked. */
            revokedKeys?: components["schemas"]["LostKey"][];
            /** @description Keys that now belong to the caller. */
            transferredKeys?: components["schemas"]["LostKey"][];
        };
        SignedIn: {
            redirect: boolean;
            token: string;
            user: components["schemas"]["User"];
        };
        SignedOut: {
            success: boolean;
        };
        SignedUp: {
            token: string;
            user: components["schemas"]["User"];
        };
        SignIn: {
            /** Format: email */
            email: string;
            /** Format: password */
            password: string;
            rememberMe?: boolean;
        };
        SignUp: {
            /** Format: email */
            email: string;
            image?: string;
            /** @description The token of an invitation. This field is not part of Better Auth. */
            invitation?: string;
            name: string;
            /** Format: password */
            password: string;
            rememberMe?: boolean;
        };
        SinkHealth: {
            /** Format: int64 */
            accepted: number;
            /** Format: int64 */
            deadLettered: number;
            /** Format: int64 */
            drainPerSecond: number;
            /** Format: int64 */
            duplicates: number;
            /**
             * Format: double
             * @description Waiting time of the oldest pending event.
             */
            oldestPendingSeconds: number;
            /** Format: int64 */
            pending: number;
            /** Format: int64 */
            pendingBytes: number;
            /** Format: int64 */
            refused: number;
            /** Format: int64 */
            rejected: number;
            /** Format: int64 */
            retries: number;
            /**
             * Format: double
             * @description How long the store has accepted no event while events wait.
             */
            stalledSeconds: number;
            /** Format: int64 */
            stored: number;
        };
        /** @description Events that are left out of a stream. */
        SkippedEvents: {
            /**
             * Format: int64
             * @description The number of events.
             */
            events: number;
        };
        SpoolHealth: components["schemas"]["SpoolStatus"] & {
            status: string;
        };
        /** @description Status of a spool and of the store behind it. */
        SpoolStatus: {
            /**
             * Format: int64
             * @description Size of these events in the journal, in bytes.
             */
            behindBytes: number;
            /**
             * Format: int64
             * @description Events that are durable here and that the store does not have yet.
             */
            behindEvents: number;
            /**
             * Format: double
             * @description Age of the oldest of these events, in seconds.
             */
            behindSeconds: number;
            /**
             * Format: int64
             * @description Size of the journal on disk, in bytes. Part of it may be forwarded already.
             */
            bytes: number;
            /**
             * Format: int64
             * @description Maximum size of the journal, in bytes.
             */
            capacityBytes: number;
            /** @description `true` if the store answered the last append; absent before the first answer. */
            connected?: boolean | null;
            /**
             * Format: int64
             * @description Number of damaged parts of the journal.
             */
            damage: number;
            /**
             * Format: int64
             * @description Events that the store already had.
             */
            duplicates: number;
            /** @description The store's error when it is not connected, or the reason why forwarding has halted. */
            error?: string | null;
            /** @description `true` if forwarding has halted for the rest of this process. The content of the journal stays there. */
            halted: boolean;
            /** @description `true` if the journal accepts nothing more in this process, after a disk failure. */
            poisoned: boolean;
            /**
             * Format: int64
             * @description Events that the store rejected permanently. They went to the dead-letter handler.
             */
            rejected: number;
            /**
             * Format: int64
             * @description Appends repeated at the store's request.
             */
            retries: number;
            /**
             * Format: int64
             * @description Events made durable in the store by this process.
             */
            stored: number;
        };
        State: {
            status: string;
        };
        /**
         * @description Statistics over a range, the same statistics for the compared period, and breakdowns.
         *
         *     A *session* is a `sessionId` of one user or, for events that have none, a run of a user's events with no gap over 30
         *     minutes. An *order* is a `purchase`. Distinct counts are exact.
         */
        Stats: {
            /** @description Counts by event type, most events first, then by name. */
            byType: components["schemas"]["TypeRow"][];
            /** @description Inclusive start of the range. */
            from: components["schemas"]["LocalTime"];
            /** @description Width of the buckets of `series`. */
            interval: components["schemas"]["Interval"];
            previous?: components["schemas"]["ComparedPeriod"] | null;
            /** @description One entry per bucket in time order, including empty buckets. */
            series: components["schemas"]["SeriesBucket"][];
            /** @description Exclusive end of the range. */
            to: components["schemas"]["LocalTime"];
            /** @description The most frequent pages, products and search terms. */
            top: components["schemas"]["TopLists"];
            /** @description Totals over the whole range. */
            totals: components["schemas"]["Totals"];
            /** @description Name of the time zone, or its UTC offset if it has no IANA name. */
            tz: string;
        };
        /**
         * Format: date-time
         * @description A time in UTC.
         */
        Timestamp: string;
        /** @description The most frequent pages, products and search terms: ten of each, ties by name. */
        TopLists: {
            /**
             * @description Present and true if the distinct names of a kind exceed a memory limit of 32 MiB, so that some are not counted
             *     in these lists.
             */
            incomplete?: boolean;
            /** @description Pages by views. */
            pages: components["schemas"]["PageRow"][];
            /** @description Products by events. */
            products: components["schemas"]["ProductRow"][];
            /** @description Search terms by searches. */
            searches: components["schemas"]["SearchRow"][];
        };
        /** @description Totals over a span of time. */
        Totals: {
            /**
             * @description Average order value, by currency: revenue divided by the number of orders that have a value in the currency,
             *     rounded half to even to the millionth.
             */
            averageOrderValue: components["schemas"]["CurrencyAmount"][];
            /**
             * Format: double
             * @description Conversion rate: sessions with at least one purchase in the span, divided by sessions, rounded to six decimals.
             *     Absent if there are no sessions.
             */
            conversion?: number | null;
            /**
             * Format: int64
             * @description Number of events.
             */
            events: number;
            /**
             * Format: int64
             * @description Users whose first event ever lies in the span.
             */
            newUsers: number;
            /**
             * Format: int64
             * @description Number of purchases.
             */
            orders: number;
            /** @description Sum of the order values, by currency. */
            revenue: components["schemas"]["CurrencyAmount"][];
            /** @description Revenue per user, by currency: revenue divided by `users`, rounded half to even to the millionth. */
            revenuePerUser: components["schemas"]["CurrencyAmount"][];
            /**
             * Format: int64
             * @description Sessions with an event in the span.
             */
            sessions: number;
            /**
             * Format: int64
             * @description Distinct users with an event.
             */
            users: number;
        };
        /** @description Counts of one event type. */
        TypeRow: {
            /**
             * Format: int64
             * @description Number of events.
             */
            events: number;
            /** @description Name of the event type. */
            type: string;
            /**
             * Format: int64
             * @description Distinct users with such an event.
             */
            users: number;
        };
        UpdateUser: {
            /** @description `null` removes the picture. */
            image?: string | null;
            name?: string | null;
        };
        /** @description A user account. */
        User: {
            createdAt: components["schemas"]["Timestamp"];
            email: string;
            /** @description Always `false`: the server sends no email. */
            emailVerified: boolean;
            id: string;
            image?: string | null;
            name: string;
            role?: components["schemas"]["Role"] | null;
            /** @description The roles by project. Not part of Better Auth. */
            roles: {
                [key: string]: components["schemas"]["Role"];
            };
            updatedAt: components["schemas"]["Timestamp"];
        };
        /** @description An event and its user. */
        UserEvent: {
            /** @description The browser or device. */
            anonymousId?: string;
            /**
             * Format: uuid
             * @description The UUID of an event. An id that is not a UUID is returned as the UUIDv5 of its bytes.
             */
            eventId: string;
            /**
             * Format: date-time
             * @description A time in UTC.
             */
            occurredAt: string;
            /** @description The properties that the sender gave. */
            properties?: {
                [key: string]: unknown;
            };
            /**
             * Format: date-time
             * @description A time in UTC.
             */
            receivedAt: string;
            /** @description The session of the event. */
            sessionId?: string;
            /** @description The type of an event. */
            type: string;
            /** @description The user. */
            userId: string;
        };
        /** @description The statistics of one user, over all events. */
        UserRow: {
            /**
             * Format: int64
             * @description Number of events.
             */
            events: number;
            /** @description Time of the first event. */
            firstSeen: components["schemas"]["Timestamp"];
            /** @description Time of the last event. */
            lastSeen: components["schemas"]["Timestamp"];
            /**
             * Format: int64
             * @description Number of purchases.
             */
            orders: number;
            /** @description Revenue by currency, ordered by currency code. */
            revenue: components["schemas"]["CurrencyAmount"][];
            /**
             * Format: int64
             * @description Number of sessions.
             */
            sessions: number;
            /** @description The user id. */
            userId: string;
        };
        /** @description A page of users: `{"users": [...], "total", "nextCursor"?}`. */
        Users: {
            /** @description Cursor of the next page, if there is one. */
            nextCursor?: string | null;
            /**
             * Format: int64
             * @description Number of users that match the prefix, over all pages.
             */
            total: number;
            /** @description Users in the requested order. */
            users: components["schemas"]["UserRow"][];
        };
        /** @description Counters of rolls or of compactions since the lake was opened. */
        WorkStats: {
            /**
             * Format: int64
             * @description The number of rolls or compactions that succeeded. Their results are visible.
             */
            done: number;
            /**
             * Format: int64
             * @description The number of rolls or compactions that failed. A failure changes nothing.
             */
            failed: number;
            /**
             * Format: double
             * @description The total time of all of them.
             */
            seconds: number;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    listAudit: {
        parameters: {
            query?: {
                /** @description The `nextCursor` of the previous page. */
                cursor?: string;
                /** @description The maximum number of entries; 100 by default. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of entries. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditLog"];
                };
            };
        };
    };
    compact: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The figures of the store afterwards. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LakeStatus"];
                };
            };
        };
    };
    forget: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The number of removed events. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Forgotten"];
                };
            };
        };
    };
    listImports: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The uploads. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ImportList"];
                };
            };
        };
    };
    uploadImport: {
        parameters: {
            query: {
                /** @description The name of the file. Its extension helps to detect the format. */
                fileName: string;
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description The bytes of the file. */
        requestBody: {
            content: {
                "application/octet-stream": string;
            };
        };
        responses: {
            /** @description The upload. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Import"];
                };
            };
        };
    };
    getImport: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path: {
                /** @description The id of the import. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The upload. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Import"];
                };
            };
        };
    };
    removeImport: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path: {
                /** @description The id of the import. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The upload was removed. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    getImportRejects: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path: {
                /** @description The id of the import. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The rejected records. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": string;
                };
            };
        };
    };
    runImport: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path: {
                /** @description The id of the import. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ImportOptions"];
            };
        };
        responses: {
            /** @description The import has started. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Import"];
                };
            };
        };
    };
    listInvitations: {
        parameters: {
            query?: {
                /** @description The `nextCursor` of the previous page. */
                cursor?: string;
                /** @description The maximum number of entries; 100 by default. */
                limit?: number;
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of invitations. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InvitationList"];
                };
            };
        };
    };
    invite: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewInvitation"];
            };
        };
        responses: {
            /** @description The invitation and its link. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MadeInvitation"];
                };
            };
        };
    };
    withdrawInvitation: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path: {
                /** @description The id of the invitation. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The invitation was withdrawn. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    listKeys: {
        parameters: {
            query?: {
                /** @description The `nextCursor` of the previous page. */
                cursor?: string;
                /** @description The maximum number of entries; 100 by default. */
                limit?: number;
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of keys. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KeyList"];
                };
            };
        };
    };
    createKey: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewKey"];
            };
        };
        responses: {
            /** @description The key and its secret. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MadeKey"];
                };
            };
        };
    };
    revokeKey: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path: {
                /** @description The id of the key. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The key was revoked. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    updateKey: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path: {
                /** @description The id of the key. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["KeyChange"];
            };
        };
        responses: {
            /** @description The key. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Key"];
                };
            };
        };
    };
    rotateKey: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path: {
                /** @description The id of the key. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The key and its new secret. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MadeKey"];
                };
            };
        };
    };
    listMembers: {
        parameters: {
            query?: {
                /** @description The `nextCursor` of the previous page. */
                cursor?: string;
                /** @description The maximum number of entries; 100 by default. */
                limit?: number;
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of members. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MemberList"];
                };
            };
        };
    };
    addMember: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewMember"];
            };
        };
        responses: {
            /** @description The member. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Member"];
                };
            };
        };
    };
    removeMember: {
        parameters: {
            query?: {
                /** @description What happens to the keys that the member created or last rotated, if the member loses the right to create keys: `revoke` (the default) revokes them, `keep` makes them yours. */
                keys?: string;
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path: {
                /** @description The id or the email address of a member. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The member was removed. The response lists the affected keys. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SettledKeys"];
                };
            };
            /** @description The member was removed, and had no keys. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    updateMember: {
        parameters: {
            query?: {
                /** @description What happens to the keys that the member created or last rotated, if the member loses the right to create keys: `revoke` (the default) revokes them, `keep` makes them yours. */
                keys?: string;
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path: {
                /** @description The id or the email address of a member. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewRole"];
            };
        };
        responses: {
            /** @description The member, and the affected keys. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChangedMember"];
                };
            };
        };
    };
    resetPassword: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id or the email address of a member. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewPassword"];
            };
        };
        responses: {
            /** @description The password has changed. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    listProjects: {
        parameters: {
            query?: {
                /** @description The `nextCursor` of the previous page. */
                cursor?: string;
                /** @description The maximum number of entries; 100 by default. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of projects. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProjectList"];
                };
            };
        };
    };
    createProject: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewProject"];
            };
        };
        responses: {
            /** @description The project. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Project"];
                };
            };
        };
    };
    removeProject: {
        parameters: {
            query?: {
                /** @description Whether to keep or to delete the events; by default `keep`. */
                events?: "keep" | "delete";
            };
            header?: never;
            path: {
                /** @description The id of the project. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The project was removed. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    updateProject: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the project. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ProjectChange"];
            };
        };
        responses: {
            /** @description The project. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Project"];
                };
            };
        };
    };
    listRejects: {
        parameters: {
            query?: {
                /** @description The `nextCursor` of the previous page. */
                cursor?: string;
                /** @description The maximum number of entries; 100 by default. */
                limit?: number;
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of rejections. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rejects"];
                };
            };
        };
    };
    roll: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The figures of the store afterwards. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LakeStatus"];
                };
            };
        };
    };
    createSampleShop: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The project, and the number of its events. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FilledProject"];
                };
            };
        };
    };
    changePassword: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChangePassword"];
            };
        };
        responses: {
            /** @description The user. If other sessions were ended, also the token of a new session and its cookie. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChangedPassword"];
                };
            };
        };
    };
    getSession: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session and its user. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionAndUser"] | null;
                };
            };
        };
    };
    listSessions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The sessions. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"][];
                };
            };
        };
    };
    revokeOtherSessions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The sessions have ended. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Done"];
                };
            };
        };
    };
    revokeSession: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RevokeSession"];
            };
        };
        responses: {
            /** @description The session has ended. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Done"];
                };
            };
        };
    };
    revokeSessions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The sessions have ended. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Done"];
                };
            };
        };
    };
    signIn: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignIn"];
                "application/x-www-form-urlencoded": components["schemas"]["SignIn"];
            };
        };
        responses: {
            /** @description The user, and the token of the session; its cookie is set. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignedIn"];
                };
            };
        };
    };
    signOut: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session has ended; its cookie is removed. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignedOut"];
                };
            };
        };
    };
    signUp: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignUp"];
                "application/x-www-form-urlencoded": components["schemas"]["SignUp"];
            };
        };
        responses: {
            /** @description The user, and the token of the session; its cookie is set. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignedUp"];
                };
            };
        };
    };
    updateUser: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UpdateUser"];
            };
        };
        responses: {
            /** @description The profile has changed. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Done"];
                };
            };
        };
    };
    sendEvents: {
        parameters: {
            query?: {
                /** @description The step to wait for: the events are in memory (`buffered`), on disk (`durable`, the default), or in the store, where queries see them (`stored`). */
                ack?: "buffered" | "durable" | "stored";
                /** @description A write key, for senders that cannot set headers. */
                key?: string;
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
                /** @description `all` also lists the accepted events, and the ids of events. */
                results?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description The events. `text/plain`, which beacons of browsers use, is read as JSON. */
        requestBody: {
            content: {
                "application/json": components["schemas"]["EventsBody"];
                "application/x-ndjson": string;
                "text/plain": string;
            };
        };
        responses: {
            /** @description The outcome of the events, with `ack=stored`. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Ingested"];
                };
            };
            /** @description The outcome of the events. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Ingested"];
                };
            };
        };
    };
    streamEvents: {
        parameters: {
            query?: {
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
                /** @description The types of the events to show; repeat the parameter, or separate the types by commas. */
                type?: string[];
                /** @description The user whose events to show; by default those of all users. */
                userId?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["EventStream"];
                };
            };
        };
    };
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The server accepts events. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    isAlive: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The process runs. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["State"];
                };
            };
        };
    };
    isReady: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The server accepts events. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["State"];
                };
            };
        };
    };
    getStats: {
        parameters: {
            query?: {
                /** @description The period to compare with: the one before (the default), the same dates one year earlier, or none. */
                compare?: "previousPeriod" | "previousYear" | "none";
                /** @description The inclusive start of the range: a date in the time zone, or an RFC 3339 time. */
                from?: string;
                /** @description The width of the buckets of the series; by default a day. */
                interval?: "hour" | "day" | "week" | "month";
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
                /** @description The exclusive end of the range, in the same forms as `from`. */
                to?: string;
                /** @description The IANA time zone of dates; by default that of the project. */
                tz?: string;
                /** @description The first day of a week, with `interval=week`; by default Monday. */
                weekStart?: "monday" | "saturday" | "sunday";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The figures; as CSV, the series alone. */
            200: {
                headers: {
                    /** @description With CSV: the name of the file. */
                    "Content-Disposition"?: string | null;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stats"];
                };
            };
        };
    };
    listUsers: {
        parameters: {
            query?: {
                /** @description The currency of the revenue to sort by; by default that of the project. */
                currency?: string;
                /** @description The `nextCursor` of the previous page. */
                cursor?: string;
                /** @description The maximum number of entries; 100 by default. */
                limit?: number;
                /** @description The sort order; by default `desc`, but `asc` for `userId`. */
                order?: "asc" | "desc";
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
                /** @description The beginning of the ids to return. */
                q?: string;
                /** @description The sort key; by default `lastSeen`. */
                sort?: "userId" | "firstSeen" | "lastSeen" | "events" | "orders" | "revenue";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of users. */
            200: {
                headers: {
                    /** @description With CSV: the name of the file. */
                    "Content-Disposition"?: string | null;
                    /** @description With CSV: the next page, as `rel="next"`, if there is one. */
                    Link?: string | null;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Users"];
                };
            };
        };
    };
    getJourney: {
        parameters: {
            query?: {
                /** @description The `nextCursor` of the previous page. */
                cursor?: string;
                /** @description The inclusive start of the range: a date in the time zone, or an RFC 3339 time. */
                from?: string;
                /** @description The maximum number of entries; 100 by default. */
                limit?: number;
                /** @description The sort order by time; by default `asc`, oldest first. */
                order?: "asc" | "desc";
                /** @description The project; by default that of the key, or `default`. */
                project?: string;
                /** @description The exclusive end of the range, in the same forms as `from`. */
                to?: string;
                /** @description The types of the events to return; repeat the parameter, or separate the types by commas. */
                type?: string[];
                /** @description The IANA time zone of dates; by default that of the project. */
                tz?: string;
            };
            header?: never;
            path: {
                /** @description The id of the user. */
                userId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of the journey. */
            200: {
                headers: {
                    /** @description With CSV: the name of the file. */
                    "Content-Disposition"?: string | null;
                    /** @description With CSV: the next page, as `rel="next"`, if there is one. */
                    Link?: string | null;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Journey"];
                };
            };
        };
    };
}
