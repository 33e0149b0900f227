DROP TABLE password_peppers;
