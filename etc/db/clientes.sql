-- SPDX-License-Identifier: MIT
-- The customers of an Internet provider: an example, all invented.

CREATE TABLE planes (
	id INTEGER PRIMARY KEY,
	nombre VARCHAR(60) NOT NULL,
	megas INTEGER NOT NULL,
	precio NUMERIC(12, 2) NOT NULL
);

CREATE TABLE clientes (
	id INTEGER PRIMARY KEY,
	contrato VARCHAR(20) NOT NULL UNIQUE,
	documento VARCHAR(20) NOT NULL UNIQUE,
	nombre VARCHAR(80) NOT NULL,
	telefono VARCHAR(20) NOT NULL,
	plan_id INTEGER NOT NULL REFERENCES planes (id),
	cortado INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE facturas (
	id INTEGER PRIMARY KEY,
	cliente_id INTEGER NOT NULL REFERENCES clientes (id),
	vence DATE NOT NULL,
	valor NUMERIC(12, 2) NOT NULL,
	pagada INTEGER NOT NULL DEFAULT 0
);

INSERT INTO planes (id, nombre, megas, precio) VALUES
	(1, 'Hogar Básico', 20, 55000.00),
	(2, 'Hogar Plus', 50, 85000.00),
	(3, 'Fibra Familiar', 200, 119900.00);

INSERT INTO clientes
	(id, contrato, documento, nombre, telefono, plan_id, cortado) VALUES
	(1, '100201', '52100200', 'María Fernanda Peña', '+573001234655', 2, 0),
	(2, '100202', '79300400', 'José Ángel Ibáñez', '+573107654321', 1, 1),
	(3, '100203', '1032400500', 'Lucía Ñungo', '+573159998877', 3, 0);

INSERT INTO facturas (id, cliente_id, vence, valor, pagada) VALUES
	(1, 1, '2026-09-15', 85000.00, 1),
	(2, 1, '2026-10-15', 85000.00, 1),
	(3, 1, '2026-11-15', 85000.00, 1),
	(4, 2, '2026-09-15', 55000.00, 1),
	(5, 2, '2026-10-15', 55000.00, 0),
	(6, 2, '2026-11-15', 55000.00, 0),
	(7, 3, '2026-11-28', 119900.00, 0);
