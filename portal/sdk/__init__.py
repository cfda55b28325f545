"""The only door for plugins: the contract, and the few calls of the portal that a plugin may make.

Everything here is stable and described in README.md beside this file; a test fails when a name is not.
"""

from portal.accounts.services import load_account
from portal.contract.checks import Check, CheckContext, CheckItem, CheckResult, CheckStatus, Repair
from portal.contract.errors import (
    AccountAuthFailed,
    AccountNotReady,
    EventQuarantined,
    EventRefused,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
)
from portal.contract.facts import (
    AttemptsUnderWay,
    CustomerSeen,
    Fact,
    InvoiceClosed,
    InvoicePublished,
    Mode,
    PaymentFailed,
    PaymentProcessing,
    PaymentSucceeded,
)
from portal.contract.plugin import (
    Account,
    AccountIdentity,
    CredentialField,
    Effect,
    Feature,
    FieldFeedback,
    HelpPage,
    LocalService,
    Manifest,
    PayableInvoice,
    PayableLine,
    PaymentStart,
    PayPage,
    Plugin,
    ReceivedEvent,
    Repaired,
)
from portal.contract.secrets import Secret
from portal.database.migrations import execute_script
from portal.database.transaction import Connection, connection, transaction
from portal.errors import ConfigurationError, Conflict, PortalError
from portal.invoices.payable import payable_invoice
from portal.money import Money
from portal.sdk.work import Reading, Subject, apply_reading, run_event, run_task
from portal.settings import LOOPBACK, Settings, current_settings
from portal.sync.services import Task, renew_key
from portal.webhooks.processing import StoredEvent, object_lock
from portal.webhooks.proofs import SeenDelivery, WaitingProof, delivery_proof
from portal.webhooks.reach import Answerer, Reached, reach_endpoint

__all__ = [
    "LOOPBACK",
    "Account",
    "AccountAuthFailed",
    "AccountIdentity",
    "AccountNotReady",
    "Answerer",
    "AttemptsUnderWay",
    "Check",
    "CheckContext",
    "CheckItem",
    "CheckResult",
    "CheckStatus",
    "ConfigurationError",
    "Conflict",
    "Connection",
    "CredentialField",
    "CustomerSeen",
    "Effect",
    "EventQuarantined",
    "EventRefused",
    "Fact",
    "Feature",
    "FieldFeedback",
    "HelpPage",
    "InvoiceClosed",
    "InvoicePublished",
    "LocalService",
    "Manifest",
    "Mode",
    "Money",
    "OutcomeUnknown",
    "PayPage",
    "PayableInvoice",
    "PayableLine",
    "PaymentFailed",
    "PaymentProcessing",
    "PaymentStart",
    "PaymentSucceeded",
    "Plugin",
    "PortalError",
    "ProviderError",
    "ProviderUnavailable",
    "Reached",
    "Reading",
    "ReceivedEvent",
    "Repair",
    "Repaired",
    "Secret",
    "SeenDelivery",
    "Settings",
    "StoredEvent",
    "Subject",
    "Task",
    "WaitingProof",
    "apply_reading",
    "connection",
    "current_settings",
    "delivery_proof",
    "execute_script",
    "load_account",
    "object_lock",
    "payable_invoice",
    "reach_endpoint",
    "renew_key",
    "run_event",
    "run_task",
    "transaction",
]
