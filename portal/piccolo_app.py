"""Piccolo's view of the portal. Tables are listed by hand: a finder would take imported ones along."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from portal.accounts.tables import CheckAllowance, CheckRun, ConnectedAccount, PendingEndpoint, ProviderAlert
from portal.audit.tables import AuditEntry
from portal.auth.tables import LoginAttempt, Person, PersonSession, SetupToken
from portal.customers.tables import Customer, CustomerApart, CustomerLink, PaymentMethod
from portal.exchange.tables import EventReplay, HealthAlarm
from portal.finance.tables import Organisation, TaxRate
from portal.invoices.tables import FormerPayLink, Invoice, InvoiceLine
from portal.mail.tables import MailMessage
from portal.payments.tables import Credit, Dispute, Payment, PaymentAttempt, Refund
from portal.subscriptions.movement_tables import RecurringChange
from portal.subscriptions.tables import MethodLink, Plan, Product, Subscription, SubscriptionOrder
from portal.sync.tables import (
    AccountCount,
    CallBudget,
    ObjectReading,
    SyncCursor,
    SyncDifference,
    SyncRun,
    SyncTask,
)
from portal.webhooks.tables import (
    DeliveryProof,
    DeliveryRefusal,
    EventWalk,
    ProofDelivery,
    WebhookEvent,
    WebhookIdentity,
)

APP_CONFIG = AppConfig(
    app_name="portal",
    migrations_folder_path=Path(__file__).parent / "piccolo_migrations",
    table_classes=[
        ConnectedAccount,
        PendingEndpoint,
        ProviderAlert,
        CheckAllowance,
        CheckRun,
        Customer,
        CustomerLink,
        CustomerApart,
        PaymentMethod,
        Product,
        Plan,
        Subscription,
        SubscriptionOrder,
        MethodLink,
        RecurringChange,
        Invoice,
        InvoiceLine,
        FormerPayLink,
        Payment,
        PaymentAttempt,
        Refund,
        Credit,
        Dispute,
        SyncTask,
        ObjectReading,
        SyncDifference,
        SyncRun,
        SyncCursor,
        CallBudget,
        AccountCount,
        WebhookEvent,
        WebhookIdentity,
        EventWalk,
        EventReplay,
        HealthAlarm,
        DeliveryProof,
        ProofDelivery,
        DeliveryRefusal,
        Organisation,
        TaxRate,
        MailMessage,
        Person,
        PersonSession,
        LoginAttempt,
        SetupToken,
        AuditEntry,
    ],
    migration_dependencies=[],
)
