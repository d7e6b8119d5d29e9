"""The company's API in Django: `gunicorn examples.django_service.wsgi:application`."""
