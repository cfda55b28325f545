"""The only door for plugins: the contract, and the few calls of the portal that a plugin may make.

Everything here is stable and described in README.md beside this file; a test fails when a name is not.
"""

from portal.accounts.services import load_account
from portal.contract.accounts import Account, AccountIdentity, Repaired
from portal.contract.checks import Check, CheckContext, CheckItem, CheckResult, CheckStatus, Repair
from portal.contract.descriptions import (
    AccountOption,
    CredentialField,
    Effect,
    EventTrace,
    Feature,
    FieldFeedback,
    HelpPage,
    LocalService,
    Manifest,
)
from portal.contract.errors import (
    AccountAuthFailed,
    AccountNotReady,
    Differing,
    EventQuarantined,
    EventRefused,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
    SidesDiffer,
)
from portal.contract.facts import (
    UNKNOWN_INVOICE,
    AccountChanged,
    AlertRaised,
    AttemptsUnderWay,
    CollectionSeen,
    CreditSeen,
    CustomerSeen,
    DisputeSeen,
    Fact,
    InvoiceClosed,
    InvoicePublished,
    InvoiceSeen,
    MethodAgreed,
    Mode,
    PaymentFailed,
    PaymentMethodSeen,
    PaymentProcessing,
    PaymentSucceeded,
    PlanSeen,
    ProductSeen,
    RefundSeen,
    SeenLine,
    SubscriptionSeen,
)
from portal.contract.orders import (
    CreditOrder,
    CustomerChanges,
    MethodWish,
    OutsidePayment,
    RefundOrder,
    SubscriptionOrder,
    SubscriptionWish,
)
from portal.contract.payables import PayableInvoice, PayableLine, PaymentStart, PayPage
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.contract.work import (
    EventPage,
    ListedEvent,
    ListedKind,
    PageWanted,
    Reading,
    ReadingPage,
    ReceivedEvent,
    StoredEvent,
    Subject,
)
from portal.customers.pushes import customer_changes, note_sending
from portal.customers.services import tell_providers
from portal.database.migrations import execute_script
from portal.database.transaction import Connection, connection, transaction
from portal.errors import ConfigurationError, Conflict, PortalError
from portal.exchange.work import refresh_subject, run_event, run_task
from portal.invoices.payable import payable_invoice
from portal.money import Money
from portal.payments.orders import credit_order, outside_payments, refund_order
from portal.settings import LOOPBACK, Settings, current_settings
from portal.subscriptions.methods import method_wish
from portal.subscriptions.orders import subscription_order
from portal.subscriptions.services import wished_change
from portal.sync.budgets import background_calls, note_slow_down, take_call
from portal.sync.claiming import Task, renew_key
from portal.webhooks.proofs import SeenDelivery, WaitingProof, delivery_proof
from portal.webhooks.reach import Answerer, Reached, reach_endpoint

__all__ = [
    "LOOPBACK",
    "UNKNOWN_INVOICE",
    "Account",
    "AccountAuthFailed",
    "AccountChanged",
    "AccountIdentity",
    "AccountNotReady",
    "AccountOption",
    "AlertRaised",
    "Answerer",
    "AttemptsUnderWay",
    "Check",
    "CheckContext",
    "CheckItem",
    "CheckResult",
    "CheckStatus",
    "CollectionSeen",
    "ConfigurationError",
    "Conflict",
    "Connection",
    "CredentialField",
    "CreditOrder",
    "CreditSeen",
    "CustomerChanges",
    "CustomerSeen",
    "Differing",
    "DisputeSeen",
    "Effect",
    "EventPage",
    "EventQuarantined",
    "EventRefused",
    "EventTrace",
    "Fact",
    "Feature",
    "FieldFeedback",
    "HelpPage",
    "InvoiceClosed",
    "InvoicePublished",
    "InvoiceSeen",
    "ListedEvent",
    "ListedKind",
    "LocalService",
    "Manifest",
    "MethodAgreed",
    "MethodWish",
    "Mode",
    "Money",
    "OutcomeUnknown",
    "OutsidePayment",
    "PageWanted",
    "PayPage",
    "PayableInvoice",
    "PayableLine",
    "PaymentFailed",
    "PaymentMethodSeen",
    "PaymentProcessing",
    "PaymentStart",
    "PaymentSucceeded",
    "PlanSeen",
    "Plugin",
    "PortalError",
    "ProductSeen",
    "ProviderError",
    "ProviderUnavailable",
    "Reached",
    "Reading",
    "ReadingPage",
    "ReceivedEvent",
    "RefundOrder",
    "RefundSeen",
    "Repair",
    "Repaired",
    "Secret",
    "SeenDelivery",
    "SeenLine",
    "Settings",
    "SidesDiffer",
    "StoredEvent",
    "Subject",
    "SubscriptionOrder",
    "SubscriptionSeen",
    "SubscriptionWish",
    "Task",
    "WaitingProof",
    "background_calls",
    "connection",
    "credit_order",
    "current_settings",
    "customer_changes",
    "delivery_proof",
    "execute_script",
    "load_account",
    "method_wish",
    "note_sending",
    "note_slow_down",
    "outside_payments",
    "payable_invoice",
    "reach_endpoint",
    "refresh_subject",
    "refund_order",
    "renew_key",
    "run_event",
    "run_task",
    "subscription_order",
    "take_call",
    "tell_providers",
    "transaction",
    "wished_change",
]
